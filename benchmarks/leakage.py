"""What leakage is worth: one network, one budget and one test size, and three ways to cut the same set.

    python benchmarks/leakage.py --data ../shared/data

published   the folders Training/ and Testing/, as they were published
by slice    slices drawn by lot, as most notebooks do
by patient  patients, and clusters of near-duplicates, kept on one side

"By slice" and "by patient" draw their test slices from the same whole, so that the difference of these two is what
leakage is worth. A published test folder can differ from its training folder in more than that, as sartaj's does: see
docs/concepts/published-numbers.md.

All cuts have the same number of training, validation and test slices (larger parts are thinned by lot), the same
options, and so the same number of steps. Validation is cut from training in the way of the cut itself and chooses the
epoch; the test part chooses nothing. Labels are those that figshare gives, in every cut. What is finished is kept in
--run, so that a benchmark that was killed goes on, in the middle of a training too.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mriclassify import Augmentation, Classifier, Dataset, Preprocessing, TrainingOptions
from mriclassify._evaluation._intervals import draw_counts, unit_of_slice
from mriclassify._output import whole_file

SETS = ("nickparvar", "sartaj")
CUTS = {"published": "published", "slice": "by slice", "patient": "by patient"}
VALIDATION = 0.1
"""Share of the whole set."""
RESAMPLES = 2000

Parts: TypeAlias = tuple[Dataset, Dataset, Dataset]
"""Training, validation and test."""
Outcome: TypeAlias = dict[str, Any]
"""What one network did in one cut, as JSON: see `run`."""
Difference: TypeAlias = tuple[float, float, float]
"""Of two accuracies, and its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is trained, the same in every cut."""

    backbone: str
    size: int
    epochs: int
    learning_rate: float
    pretrained: bool
    # Off: the network is to fit its training slices, as those of the notebooks do. One that does not has learnt too
    # little by heart for a leak to show, whatever the cut.
    augmented: bool = False
    # Not "auto": its measurement can fall out differently from run to run on a busy machine.
    precision: str = "bf16"
    seed: int = 0
    limit: int | None = None


PLANS = {
    "small_cnn": Plan(backbone="small_cnn", size=96, epochs=6, learning_rate=2e-3, pretrained=False),
    "mobilenet_v2": Plan(backbone="mobilenet_v2", size=128, epochs=3, learning_rate=5e-4, pretrained=True),
}


def main() -> int:
    """Train what is not trained yet, and print."""
    options = arguments()
    cuts: dict[str, dict[str, Parts]] = {}
    outcomes: dict[tuple[str, str], dict[str, Outcome]] = {}
    for name, network in chosen(options.only):
        plan = changed(PLANS[network], options)
        for cut in CUTS:
            folder = options.run / name / network / cut
            outcome = kept(folder, plan)
            if outcome is None:
                if name not in cuts:
                    cuts[name] = cut_alike(some(Dataset.from_folder(options.data / name), plan.limit), seed=plan.seed)
                outcome = run(cuts[name][cut], plan, folder, weights=options.weights or options.data.parent / "weights")
            outcomes.setdefault((name, network), {})[cut] = outcome
            print(f"{name}, {network}, {CUTS[cut]}: {outcome['accuracy']:.3f}", file=sys.stderr)
    print(as_json(outcomes) if options.json else as_markdown(outcomes))
    return 0


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds the sets")
    parser.add_argument("--weights", type=Path, help="folder of <backbone>.safetensors; default: beside the data")
    parser.add_argument("--run", type=Path, default=Path("runs/leakage"), help="folder for what is finished")
    parser.add_argument("--only", action="append", metavar="SET[/NETWORK]", help="such as sartaj/small_cnn; repeatable")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--markdown", action="store_true", help="print a Markdown table, as without it")
    shape.add_argument("--json", action="store_true", help="print JSON instead of a Markdown table")
    for name in ("epochs", "size", "seed", "limit"):
        parser.add_argument(
            f"--{name}", type=int, help="instead of the plan's" if name != "limit" else "slices, to try"
        )
    parser.add_argument("--augmented", action="store_true", help="with the library's usual augmentation")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="instead of the plan's")
    return parser.parse_args()


def chosen(only: list[str] | None) -> list[tuple[str, str]]:
    """Return pairs of a set and a network.

    Raises:
        SystemExit: one that is asked for does not exist.
    """
    pairs = [(name, network) for name in SETS for network in PLANS]
    if only is None:
        return pairs
    unknown = [text for text in only if not any(text in (name, f"{name}/{network}") for name, network in pairs)]
    if unknown:
        sys.exit(f"--only takes SET or SET/NETWORK, of {', '.join(f'{a}/{b}' for a, b in pairs)}; not {unknown[0]}")
    return [(name, network) for name, network in pairs if name in only or f"{name}/{network}" in only]


def changed(plan: Plan, options: argparse.Namespace) -> Plan:
    """Return the plan with what the command line says instead."""
    given = {name: getattr(options, name) for name in ("epochs", "size", "seed", "limit", "precision")}
    given |= {"augmented": options.augmented or None}
    return Plan(**asdict(plan) | {name: value for name, value in given.items() if value is not None})


def some(data: Dataset, limit: int | None) -> Dataset:
    """Return about `limit` slices, evenly spread over parts and classes."""
    return data if limit is None else data.subset(range(0, len(data), max(1, len(data) // limit)))


def cut_alike(data: Dataset, *, seed: int) -> dict[str, Parts]:
    """Return the parts of each cut, of the same sizes in all."""
    published, test = data.published_split(allow_leakage=True)
    share = len(test) / len(data)
    inner, whole = VALIDATION / (1 - share), (1 - VALIDATION - share, VALIDATION, share)
    cuts = {
        "published": (*published.split((1 - inner, inner), by="slice", seed=seed, allow_leakage=True), test),
        "slice": data.split(whole, by="slice", seed=seed, allow_leakage=True),
        "patient": data.split(whole, by="group", seed=seed),
    }
    sizes = [min(map(len, parts)) for parts in zip(*cuts.values(), strict=True)]
    rng = np.random.default_rng(seed)
    return {
        cut: tuple(thinned(part, size, rng) for part, size in zip(parts, sizes, strict=True))
        for cut, parts in cuts.items()
    }


def thinned(data: Dataset, size: int, rng: np.random.Generator) -> Dataset:
    """Return `size` of the slices, drawn by lot, in their order."""
    return data.subset(np.sort(rng.choice(len(data), size, replace=False)))


def run(parts: Parts, plan: Plan, folder: Path, *, weights: Path) -> Outcome:
    """Train and test, or go on with it; keep and return what came of it.

    Returns:
        `plan`; `sizes` of the parts; `seen`, whether each test slice's patient or cluster is in training or
        validation; `correct`, whether its class was found; `groups`, of each; `accuracy`, its 95 % `interval` by
        bootstrap over groups, `macro_f1`, `recalls` by class; and the report's sentence on `leakage`.
    """
    train, validation, test = parts
    file = weights / f"{plan.backbone}.safetensors"
    clf = Classifier(
        plan.backbone,
        pretrained=(file if file.exists() else "imagenet") if plan.pretrained else None,
        preprocessing=Preprocessing(size=plan.size),
    )
    training = TrainingOptions(
        epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        augmentation=Augmentation() if plan.augmented else None,
        precision=plan.precision,
        seed=plan.seed,
    )
    clf.fit(train, validation=validation, options=training, resume=folder / "state")
    report = clf.evaluate(test, bootstrap=RESAMPLES, seed=plan.seed)
    known = {*train.groups, *validation.groups}
    interval = report.intervals["accuracy"]
    outcome = {
        "plan": asdict(plan),
        "sizes": [len(part) for part in parts],
        "accuracy": report.accuracy,
        "interval": [interval.low, interval.high],
        "macro_f1": report.macro_f1,
        "recalls": {label: scores.recall for label, scores in report.per_class.items()},
        "leakage": report.leakage.sentence,
        "seen": [group in known for group in test.groups],
        "correct": (report.predicted == report.targets).tolist(),
        "groups": test.groups,
    }
    with whole_file(folder / "outcome.json") as part:
        part.write_text(json.dumps(outcome))
    return outcome


def kept(folder: Path, plan: Plan) -> Outcome | None:
    """Return what an earlier run kept, if there is one.

    Raises:
        SystemExit: it was made by another plan.
    """
    file = folder / "outcome.json"
    if not file.exists():
        return None
    outcome: Outcome = json.loads(file.read_text())
    if outcome["plan"] != asdict(plan):
        sys.exit(f"{file} was made with {outcome['plan']}, not {asdict(plan)}: choose another folder with --run")
    return outcome


def difference(first: Outcome, second: Outcome, *, seed: int = 0) -> Difference:
    """Return how much higher the first accuracy is, with an interval: each test part is drawn anew by groups."""
    values = resampled(first, seed=seed) - resampled(second, seed=seed + 1)
    low, high = np.percentile(values, [2.5, 97.5])
    return first["accuracy"] - second["accuracy"], float(low), float(high)


def resampled(outcome: Outcome, *, seed: int) -> NDArray[np.float64]:
    """Return the accuracy of bootstrap resamples over groups, (RESAMPLES,)."""
    units = unit_of_slice(outcome["groups"], len(outcome["groups"]))
    correct, slices = np.bincount(units, outcome["correct"]), np.bincount(units)
    draws = draw_counts(len(slices), RESAMPLES, seed=seed, at_once=RESAMPLES)
    return np.concatenate([(counts @ correct) / (counts @ slices) for counts in draws])


def contrasts(cuts: Mapping[str, Outcome]) -> dict[str, Difference]:
    """Return what each leaking cut shows above the one by patient."""
    return {cut: difference(cuts[cut], cuts["patient"]) for cut in CUTS if cut != "patient"}


def as_json(outcomes: Mapping[tuple[str, str], Mapping[str, Outcome]]) -> str:
    """Return all figures but those of single slices."""
    left_out = {"seen", "correct", "groups"}
    shown = [
        {
            "set": name,
            "network": network,
            "cuts": {
                cut: {key: value for key, value in outcome.items() if key not in left_out} | split_by_seen(outcome)
                for cut, outcome in cuts.items()
            },
            "differences": contrasts(cuts),
        }
        for (name, network), cuts in outcomes.items()
    ]
    return json.dumps(shown, indent=2)


def split_by_seen(outcome: Outcome) -> dict[str, float | None]:
    """Return the share of test slices whose patient or cluster was trained on; the accuracy on these, and on others."""
    seen, correct = np.array(outcome["seen"]), np.array(outcome["correct"])
    return {
        "seen": float(seen.mean()),
        "accuracy_seen": float(correct[seen].mean()) if seen.any() else None,
        "accuracy_unseen": float(correct[~seen].mean()) if not seen.all() else None,
    }


def as_markdown(outcomes: Mapping[tuple[str, str], Mapping[str, Outcome]]) -> str:
    """Return the table for the page on published numbers."""
    lines = [
        "| set | network | cut | test slices whose patient or near-duplicate was trained on | accuracy (95 %) "
        "| above by patient, points (95 %) | on seen / on unseen | recall of glioma |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, network), cuts in outcomes.items():
        above = contrasts(cuts)
        for cut, outcome in cuts.items():
            seen = split_by_seen(outcome)
            cells = [
                name,
                network,
                CUTS[cut],
                f"{seen['seen']:.1%}",
                f"{outcome['accuracy']:.3f} ({outcome['interval'][0]:.3f}–{outcome['interval'][1]:.3f})",
                points(above[cut]) if cut in above else "",
                f"{number(seen['accuracy_seen'])} / {number(seen['accuracy_unseen'])}",
                number(outcome["recalls"].get("glioma")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *sizes_said(outcomes)])


def sizes_said(outcomes: Mapping[tuple[str, str], Mapping[str, Outcome]]) -> list[str]:
    """Return a line on each network's plan and the sizes of its parts."""
    found = []
    for (name, network), cuts in outcomes.items():
        plan, (train, validation, test) = cuts["patient"]["plan"], cuts["patient"]["sizes"]
        found.append(
            f"* {name}, {network}: {train:,} slices for training, {validation:,} for validation, {test:,} for test; "
            f"{plan['size']} px, {plan['epochs']} epochs, augmentation {'on' if plan['augmented'] else 'off'}, "
            f"seed {plan['seed']}."
        )
    return found


def points(value: Difference) -> str:
    """Return a difference in percentage points."""
    middle, low, high = (100 * part for part in value)
    return f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"


def number(value: float | None) -> str:
    """Return a figure of 0..1, or a dash."""
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
