"""How well heat maps point: each method of `clf.explain`, and the lesion map, against outlines of tumours.

    python benchmarks/explain.py --weights default --data ../shared/data --out benchmarks/results/explain-default.json
    python benchmarks/explain.py --table benchmarks/results/explain-default.json

Asked are the tumour slices of fold 0 (`figshare`, by patient) and of `external_lgg`, each about its true class: does
the maximum lie in the outline (pointing game), how much of the map does, how well does it outline the tumour at the
threshold that is best on the validation part of folds 1-4, how fast does the answer go and come when the map's highest
pixels are blurred or shown first, and does the map change when the weights are shuffled. All maps are those of the
network's frame. Methods that take seconds a slice, the curves and the shuffled weights have `--slices` slices,
drawn evenly over patients; the others have all. Named are the method that points best on the validation part, and the
best of those that need no extra, which `DEFAULT_METHOD` must be: nothing is chosen on fold 0. Intervals are 95 %, by
bootstrap over patients.

The guide `docs/guides/explaining.md` holds what `--table` prints.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _explain_figures import best_threshold
from _explain_rows import IN_CORE, Row, faithful, located, maps, pointing, rows, sane
from _explain_slices import Outlined, outside_records, sample, tested_records, validation_records
from _explain_table import table

from mriclassify import Classifier, Record
from mriclassify._data._record import absolute
from mriclassify._explaining import DEFAULT_METHOD
from mriclassify._information import information

SCHEMA = 1
FOLD = "0"
SLICES, QUICK_SLICES = 80, 8
SANITY = 24
"""Slices for the maps of shuffled weights."""
VERSIONS = ("mriclassify", "python", "torch", "torchvision", "numpy", "captum")


@dataclass(frozen=True, eq=False)
class Parts:
    """Slices of one set: all that are asked about by cheap methods, and the sample for dear ones."""

    whole: Outlined
    few: Outlined

    @classmethod
    def of(cls, clf: Classifier, records: Sequence[Record], *, count: int, quick: bool) -> "Parts":
        """Read; with `quick` the sample is all."""
        few = sample(records, count)
        part = Outlined.of(clf, few)
        return cls(part if quick or len(few) == len(records) else Outlined.of(clf, records), part)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default", help="a name, or a file of weights")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--slices", type=int, default=SLICES, help="of each set, for what is dear; default: %(default)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"at most {QUICK_SLICES} slices of each set, for everything"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="METHOD", help="leave these out")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing: print the table of such a file")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return 0
    count = min(options.slices, QUICK_SLICES) if options.quick else options.slices
    results = measure(options.weights, options.data, count=count, quick=options.quick, without=options.without)
    print(table(results))
    print(
        f"\nbest on the validation part: {results['best']}, in core {results['best_in_core']}; "
        f"the default is {DEFAULT_METHOD}",
        file=sys.stderr,
    )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(
    weights: str | Path, data: Path, *, count: int = SLICES, quick: bool = False, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Return all figures of weights.

    Args:
        weights: a name or a file.
        data: the folder that holds the sets.
        count: slices of each set for what is dear.
        quick: whether those are all.
        without: rows to leave out.
    """
    clf, data = Classifier.from_pretrained(weights, device="cpu"), absolute(data)
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "validation": validation_records(data, Path(folder) / "validation"),
            "fold": tested_records(data, FOLD, Path(folder) / "fold"),
            "external_lgg": outside_records(data),
        }
        parts = {name: Parts.of(clf, records, count=count, quick=quick) for name, records in sets.items() if records}
    ways = rows(lesions=clf.bundle.network.lesion_head is not None)
    results = _header(clf, quick=quick, count=count, without=without)
    for name in ("fold", "external_lgg"):
        found = parts.get(name)
        results[name] = {"mask_area": float(found.whole.masks.mean())} if found else {"left_out": "it is not there"}
    results["rows"] = {name: _measured(clf, name, row, parts) for name, row in ways.items() if name not in without}
    known = {name: row["validation"] for name, row in results["rows"].items() if row["kind"] == "attribution"}
    # Among the same slices: what is dear had only some of them.
    results["best"] = _best(known)
    results["best_in_core"] = _best({name: figures for name, figures in known.items() if name in IN_CORE})
    return results


def _best(pointing: Mapping[str, Mapping[str, Any]]) -> str | None:
    # Where two hit as often, the one that has more of its map inside.
    return max(
        pointing,
        key=lambda name: (pointing[name]["few_peak_inside"], pointing[name]["few_energy_inside"]),
        default=None,
    )


def _measured(clf: Classifier, name: str, row: Row, parts: Mapping[str, Parts]) -> dict[str, Any]:
    network, start = clf.bundle.network, time.perf_counter()
    chosen, chosen_few = _chosen(row, parts["validation"]), parts["validation"].few
    heats = maps(network, chosen, row.look)
    few = heats if chosen is chosen_few else maps(network, chosen_few, row.look)
    threshold = best_threshold(heats, chosen.masks)
    found: dict[str, Any] = {
        "title": row.title,
        "kind": row.kind,
        "threshold": threshold,
        "validation": pointing(heats, chosen) | {f"few_{key}": x for key, x in pointing(few, chosen_few).items()},
    }
    for key, part in parts.items():
        if key == "validation":
            continue
        slices = _chosen(row, part)
        heats = maps(network, slices, row.look)
        found[key] = located(heats, slices, threshold)
        few = heats if slices is part.few else maps(network, part.few, row.look)
        found[key] |= faithful(network, few, part.few)
        if key == "fold" and row.kind != "no network":
            found["sanity"] = sane(network, few[:SANITY], _first(part.few, SANITY), row.look)
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def _chosen(row: Row, part: Parts) -> Outlined:
    return part.few if row.dear else part.whole


def _first(slices: Outlined, count: int) -> Outlined:
    return Outlined(slices.images[:count], slices.masks[:count], slices.targets[:count], slices.groups[:count])


def _header(clf: Classifier, *, quick: bool, count: int, without: Sequence[str]) -> dict[str, Any]:
    bundle, here = clf.bundle, information()
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: here[name] for name in VERSIONS if name in here},
        "settings": {"fold": FOLD, "quick": quick, "slices": count, "without": list(without), "seed": 0},
        "weights": {"name": bundle.name, "backbone": bundle.backbone, "size": bundle.preprocessing.size},
    }


if __name__ == "__main__":
    sys.exit(main())
