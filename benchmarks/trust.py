"""How far the answers of weights can be trusted: on new patients, in other hospitals, and on what is no brain at all.

    python benchmarks/trust.py --weights default --data ../shared/data --json trust.json
    python benchmarks/trust.py --weights runs/mine/model.safetensors --target accurate --quick

Prints a table, with the targets of the published weights beside, and writes every figure with its interval as JSON.
Intervals are 95 %, by bootstrap over patients or clusters of near-duplicates. Nothing is chosen here: thresholds
are those of the weights. Labels count whatever the status is, unless a figure says "ok". `--quick` asks for few slices
in the section on robustness, at strength 3 only, and leaves speed out.

The model cards in `docs/models` are made from this JSON, by `training/publish.py`.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _trust_robustness import robustness
from _trust_sections import (
    Section,
    calibration,
    left_out,
    lesions,
    lesions_of_fold,
    on_fold,
    on_lgg,
    on_other_pictures,
    prediction_sets,
    risk_coverage,
    source_probe,
    speed,
    thresholds,
    worst_gap,
)
from _trust_sequences import sequences
from _trust_slices import Asked, fold_records, lgg_records, other_records
from _trust_stripping import stripped
from _trust_targets import Kind, outcomes, sizes_of

from mriclassify import Classifier
from mriclassify._data._record import absolute
from mriclassify._information import information
from mriclassify._model._ensemble import Ensemble
from mriclassify._weights._locating import locate

SCHEMA = 1
SLICES, QUICK_SLICES, SPEED_SLICES = 200, 40, 64
VERSIONS = ("mriclassify", "python", "torch", "torchvision", "numpy", "pillow", "scikit-learn")
SECTIONS = (
    *("fold", "external_lgg", "not_brain_mri", "calibration", "prediction_sets", "risk_coverage", "lesions"),
    *("source_probe", "stripped", "sequences", "robustness", "speed"),
)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default", help="a name, or a file of weights")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--fold", default="0", help="of folds.csv, which the weights have not seen")
    parser.add_argument("--target", choices=("default", "accurate"), default="default", help="whose targets to show")
    parser.add_argument("--slices", type=int, default=SLICES, help="of the fold, in the section on robustness")
    parser.add_argument("--disputed", type=Path, help="CSV with the paths of slices of the fold whose label is doubted")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results = measure(
        options.weights,
        options.data,
        fold=options.fold,
        slices=options.slices,
        disputed=options.disputed,
        quick=options.quick,
    )
    print(table(results, options.target))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def measure(
    weights: str | Path,
    data: Path,
    *,
    fold: str = "0",
    slices: int = SLICES,
    disputed: Path | None = None,
    quick: bool = False,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Return all figures of weights, by section.

    Args:
        weights: a name or a file.
        data: the folder that holds the sets; a section whose set is missing is left out, and says so.
        fold: which fold of `folds.csv` to ask about.
        slices: how many of it to corrupt.
        disputed: a list of slices whose label is doubted.
        quick: whether to corrupt few slices, at strength 3 only, and to leave speed out.
        without: sections to leave out.
    """
    clf, data = Classifier.from_pretrained(weights, device="cpu"), absolute(data)
    inside = Asked.of(clf, fold_records(data, fold))
    others = other_records(data, fold)
    outside = Asked.of(clf, lgg_records(data))
    no_fold = None if inside.records else f"{data / 'folds.csv'} with fold {fold} is not there"
    no_lgg = None if outside.records else f"{data / 'external_lgg'} is not there"
    paths = [record.path for record in inside.records]

    def of_robustness() -> Section:
        count, strengths = (QUICK_SLICES, (3,)) if quick else (slices, (1, 2, 3, 4, 5))
        return robustness(clf, inside.records, slices=count, strengths=strengths)

    tasks: Mapping[str, tuple[str | None, Callable[[], Section]]] = {
        "fold": (no_fold, lambda: on_fold(clf, inside, others, disputed=disputed, data=data)),
        "external_lgg": (no_lgg, lambda: on_lgg(clf, outside)),
        "not_brain_mri": (None, lambda: on_other_pictures(clf, data / "not_brain_mri")),
        "calibration": (no_fold, lambda: calibration(inside)),
        "prediction_sets": (no_fold, lambda: _sets(clf, inside, outside)),
        "risk_coverage": (no_fold, lambda: risk_coverage(inside)),
        "lesions": (no_fold, lambda: _lesions(clf, inside, outside, data)),
        "source_probe": (no_fold or no_lgg, lambda: source_probe(clf, inside, outside)),
        "stripped": (no_fold, lambda: stripped(clf, inside, outside, data)),
        "sequences": (None, lambda: sequences(clf, data)),
        "robustness": (no_fold, of_robustness),
        "speed": (no_fold or ("--quick" if quick else None), lambda: speed(clf, paths[:SPEED_SLICES])),
    }
    results = _header(clf, weights, fold=fold, quick=quick)
    for name, (obstacle, task) in tasks.items():
        obstacle = "not asked for" if name in without else obstacle
        print(f"{name}: {obstacle or 'measuring'}", file=sys.stderr)
        results[name] = left_out(obstacle) if obstacle else task()
    return results


def _sets(clf: Classifier, inside: Asked, outside: Asked) -> Section:
    of_fold = prediction_sets(clf, inside)
    of_lgg = prediction_sets(clf, outside) if outside.records else left_out("external_lgg is not there")
    return {"worst_gap": worst_gap(of_fold), "fold": of_fold, "external_lgg": of_lgg}


def _lesions(clf: Classifier, inside: Asked, outside: Asked, data: Path) -> Section:
    outlines = [record for record in outside.records if record.mask is not None]
    of_lgg = lesions(clf, outlines) if outlines else left_out("external_lgg is not there")
    return {"fold": lesions_of_fold(clf, inside, data), "external_lgg": of_lgg}


def _header(clf: Classifier, weights: str | Path, *, fold: str, quick: bool) -> dict[str, Any]:
    bundle, content, here = clf.bundle, locate(weights).read_bytes(), information()
    network = bundle.network
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: here[name] for name in VERSIONS},
        "settings": {"fold": fold, "quick": quick, "seed": 0, "resamples": 1000},
        "weights": {
            "name": bundle.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "backbone": bundle.backbone,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "lesion_head": network.lesion_head is not None,
            "classes": list(bundle.classes),
            "sizes": list(network.sizes) if isinstance(network, Ensemble) else [bundle.preprocessing.size],
            "consensus": bundle.consensus.to_dict() if bundle.consensus else None,
            "temperature": round(bundle.temperature.value, 4),
            "offsets": list(bundle.offsets),
            "thresholds": thresholds(clf),
            "familiarity": bundle.familiarity is not None,
            "created": bundle.provenance.created,
            "split": bundle.provenance.split,
            "trained_with": dict(bundle.provenance.versions),
        },
    }


def table(results: Mapping[str, Any], kind: Kind) -> str:
    """Return targets and figures as text."""
    weights = results["weights"]
    network = f"{weights['backbone']}, {sizes_of(weights)} px"
    lines = [f"{weights['name']}, {network}, {weights['bytes'] / 1e6:.1f} MB", ""]
    for outcome in outcomes(dict(results), kind):
        verdict = {True: "met", False: "missed", None: ""}[outcome.met]
        lines.append(f"{outcome.title:76} {said(outcome.figure):28} {outcome.asked:15} {verdict}")
    for name in SECTIONS:
        lines += ["", name, *_lines(results[name], "  ")]
    return "\n".join(lines)


def said(figure: Mapping[str, Any]) -> str:
    """Return a figure and its interval, or why there is none."""
    if figure["value"] is None:
        return f"– ({figure['reason']})"
    interval = f" ({figure['low']:.3f} to {figure['high']:.3f})" if "low" in figure else ""
    return f"{figure['value']:.4f}{interval}"


def _lines(section: Any, margin: str) -> list[str]:
    if not isinstance(section, dict):
        return [f"{margin}{section}"]
    lines: list[str] = []
    for name, entry in section.items():
        if isinstance(entry, dict) and "value" in entry:
            lines.append(f"{margin}{name:24} {said(entry)}")
        elif isinstance(entry, dict | list):
            rows = entry if isinstance(entry, list) else [entry]
            lines += [f"{margin}{name}", *(line for row in rows for line in _lines(row, margin + "  "))]
        else:
            lines.append(f"{margin}{name:24} {entry}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
