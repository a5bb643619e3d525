"""Explaining: where an answer comes from, as a picture."""

import argparse
import json
import sys
from pathlib import Path

from mriclassify._cli._arguments import classifier_arguments, slice_arguments, url_argument
from mriclassify._cli._command import DONE, Command
from mriclassify._notice import NOTICE


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scan", metavar="SCAN", help="a file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the picture: .png or .svg")
    classifier_arguments(parser)
    parser.add_argument("--label", metavar="CLASS", help="the class to explain; default: the answer")
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="layer-cam (default), grad-cam, grad-cam++, or with the extra `explain` integrated-gradients, occlusion",
    )
    parser.add_argument("--layer", metavar="NAME", help="module of the backbone, for methods named ...cam")
    parser.add_argument("--show", choices=("heat", "lesion"), default="heat", help="which map; default: %(default)s")
    slice_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the answer and the region as JSON")
    url_argument(parser)


def _explain(options: argparse.Namespace) -> int:
    from mriclassify import Classifier
    from mriclassify._explaining import DEFAULT_METHOD

    clf = Classifier.from_pretrained(options.weights, device=options.device, precision=options.precision)
    explanation = clf.explain(
        options.scan,
        label=options.label,
        method=options.method or DEFAULT_METHOD,
        layer=options.layer,
        axis=options.axis,
        index=options.slice,
        allow_url=options.allow_url,
    )
    explanation.save(options.out, show=options.show)
    print(json.dumps(explanation.to_dict()) if options.json else explanation.prediction)
    print(f"{options.show} map written to {options.out}. {NOTICE}", file=sys.stderr)
    return DONE


EXPLAIN = Command(
    name="explain",
    text="show where an answer comes from",
    examples="""examples:
  mriclassify explain scan.png --out overlay.png
  mriclassify explain volume.nii.gz --slice 90 --show lesion --out lesion.svg --json""",
    arguments=_explain_arguments,
    run=_explain,
)
