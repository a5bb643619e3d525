"""Auditing: what is wrong with a dataset, printed, or written as a page."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mriclassify._cli._arguments import positive
from mriclassify._cli._command import DONE, SOME_FAILED, Command
from mriclassify._cli._datasets import data_argument, dataset, group_arguments

if TYPE_CHECKING:
    from mriclassify import Classifier


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser, columns="path, label[, group, split]")
    group_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write audit.html, audit.json and audit.txt")
    parser.add_argument("--json", action="store_true", help="print the audit as JSON")
    parser.add_argument(
        "--classifier", metavar="BACKBONE", help="train it in folds, and list slices whose label its answers doubt"
    )
    parser.add_argument("--folds", type=positive, default=5, metavar="N", help="for --classifier; default: %(default)s")
    parser.add_argument("--keep-labels", action="store_true", help="do not correct the labels of known slices")


def _audit(options: argparse.Namespace) -> int:
    data = dataset(options.data, options.group_pattern, correct_labels=not options.keep_labels)
    audit = data.audit(classifier=_maker(options.classifier), n_folds=options.folds)
    print(audit.to_json() if options.json else audit)
    if options.out:
        audit.save(options.out)
        print(f"audit written to {options.out}", file=sys.stderr)
    return SOME_FAILED if audit.unreadable else DONE


def _maker(backbone: str | None) -> Callable[[], "Classifier"] | None:
    if backbone is None:
        return None
    from mriclassify import Classifier

    return lambda: Classifier(backbone)


AUDIT = Command(
    name="audit",
    text="look for duplicates, leaks, wrong labels and shortcuts in a dataset",
    examples="""examples:
  mriclassify audit brain-tumor-mri/ --out audit/
  mriclassify audit slices.csv --classifier small_cnn    (also lists labels that its answers doubt)""",
    arguments=_audit_arguments,
    run=_audit,
)
