"""Evaluating: how good a classifier is on labelled slices, printed, or written as a report."""

import argparse
import json
import sys
from pathlib import Path

from mriclassify._cli._arguments import count, model_arguments
from mriclassify._cli._command import DONE, SOME_FAILED, Command
from mriclassify._cli._datasets import data_argument, dataset, group_arguments
from mriclassify._errors import OptionError


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser, columns="path, label[, group]")
    model_arguments(parser)
    group_arguments(parser)
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), help="only the rows of this published split"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a report: a page, tables and plots")
    parser.add_argument(
        "--pictures",
        type=count,
        default=12,  # as Report.save has it, whose room takes a second to import
        metavar="N",
        help="mistakes that the page shows as pictures, 0 for none; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _evaluate(options: argparse.Namespace) -> int:
    from mriclassify import Classifier

    data = dataset(options.data, options.group_pattern)
    if options.split:
        data = data.filter(lambda record: record.split == options.split)
        if not len(data):
            raise OptionError(f"--split {options.split}: no slice of {options.data} is in that part")
    clf = Classifier.from_pretrained(options.weights, device=options.device, precision=options.precision)
    if options.out:
        # scikit-learn takes a second to import, and evaluate needs it anyway.
        from mriclassify._evaluation._saving import prepare_folder

        prepare_folder(options.out)
    report = clf.evaluate(data, batch_size=options.batch_size)
    print(json.dumps(report.to_dict()) if options.json else report)
    if options.out:
        report.save(options.out, pictures=options.pictures)
        print(f"report written to {options.out}", file=sys.stderr)
    return SOME_FAILED if report.unreadable else DONE


EVALUATE = Command(
    name="evaluate",
    text="measure a classifier on labelled slices",
    examples="""examples:
  mriclassify evaluate slices.csv
  mriclassify evaluate brain-tumor-mri/Testing --weights my-model.safetensors --out report/""",
    arguments=_evaluate_arguments,
    run=_evaluate,
)
