"""Predicting: answers for slices, folders and volumes, printed, or written as a table or a report."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriclassify._answers import answered, columns_of, write_answers
from mriclassify._cli._arguments import model_arguments, slice_arguments, url_argument
from mriclassify._cli._command import DONE, SOME_FAILED, Command
from mriclassify._errors import OptionError, ReadError
from mriclassify._notice import NOTICE

if TYPE_CHECKING:
    from mriclassify import Classifier
    from mriclassify._model._prediction import Prediction


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scans", nargs="+", metavar="SCAN", help="a file, a folder or a pattern; with --study a series")
    model_arguments(parser)
    slice_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object a line")
    output.add_argument("--csv", type=Path, metavar="FILE", help="write a table")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of the inputs"
    )
    parser.add_argument("--resume", action="store_true", help="leave out what the --csv file holds already")
    parser.add_argument("--study", action="store_true", help="one answer for each SCAN, which is a series")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="also write a page with the answers, scans and maps; takes about six times as long",
    )
    parser.add_argument(
        "--anonymize",
        action="store_true",
        help="hash the names of files in --report DIR; what is printed, and --csv FILE, keep them",
    )
    url_argument(parser)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"must be I/N with 1 <= I <= N, as 2/8, not {text}")
    return int(found[1]), int(found[2])


def _predict(options: argparse.Namespace) -> int:
    from mriclassify import Classifier
    from mriclassify._reading import expand

    if options.resume and not options.csv:
        raise OptionError("--resume needs --csv FILE: it goes on where that file ends")
    _check_report(options)
    clf = Classifier.from_pretrained(options.weights, device=options.device, precision=options.precision)
    if options.study:
        return _predict_studies(clf, options)
    sources = _sharded([source for scan in options.scans for source in expand(scan)], options.shard)
    columns = columns_of(clf.classes)
    done = answered(options.csv, columns=columns, model=clf.bundle.name) if options.resume else set()
    if options.report:
        return _predict_with_report(clf, sources, options)
    answers = clf.predict_many(
        [source for source in sources if str(source) not in done],
        batch_size=options.batch_size,
        axis=options.axis,
        index=options.slice,
        allow_url=options.allow_url,
    )
    return _tell(answers, columns, options)


def _check_report(options: argparse.Namespace) -> None:
    if options.anonymize and not options.report:
        raise OptionError("--anonymize needs --report DIR: it hashes the names of files in that folder")
    if options.report and (options.study or options.resume):
        other = "--study" if options.study else "--resume"
        raise OptionError(f"--report does not go with {other}: its page has a row for each slice of the whole batch")
    if options.report and options.csv and options.csv.absolute().is_relative_to(options.report.absolute()):
        raise OptionError("--csv FILE can't lie in --report DIR, which is replaced wholly and has a table itself")


def _predict_with_report(clf: "Classifier", sources: list[Any], options: argparse.Namespace) -> int:
    from mriclassify._gallery import save_gallery

    answers = save_gallery(
        clf,
        sources,
        options.report,
        anonymize=options.anonymize,
        axis=options.axis,
        index=options.slice,
        allow_url=options.allow_url,
    )
    with closing(answers):  # whatever stops the printing: no half of a report stays
        status = _tell(answers, columns_of(clf.classes), options)
    print(f"report: {options.report / 'index.html'}", file=sys.stderr)
    if options.anonymize:
        print(
            "names of files are hashed there, but text that is burnt into a picture is not removed: look at every "
            "picture before you pass the folder on",
            file=sys.stderr,
        )
    return status


def _predict_studies(clf: "Classifier", options: argparse.Namespace) -> int:
    if options.csv or options.slice is not None:
        raise OptionError("--study goes with text and --json, not with --csv or --slice")
    from mriclassify import Prediction

    failed = 0
    for scan in _sharded(options.scans, options.shard):
        try:
            answer = clf.predict_study(
                scan, axis=options.axis, batch_size=options.batch_size, allow_url=options.allow_url
            )
        except (ReadError, OptionError) as error:
            failed += 1
            said = Prediction(source=scan, label=None, confidence=None, status="error", reasons=(str(error),))
            print(said.to_json() if options.json else said, flush=True)
        else:
            print(answer.to_json() if options.json else answer, flush=True)
    print(NOTICE, file=sys.stderr)
    return SOME_FAILED if failed else DONE


def _sharded(sources: list[Any], shard: tuple[int, int]) -> list[Any]:
    number, count = shard
    return sources[number - 1 :: count]


def _tell(answers: Iterator["Prediction"], columns: list[str], options: argparse.Namespace) -> int:
    """Print the answers or write the table, as they come; return the exit status."""
    if options.csv:
        failed = write_answers(answers, options.csv, columns=columns, append=options.resume)
        return SOME_FAILED if failed else DONE
    return _print_answers(answers, as_json=options.json)


def _print_answers(answers: Iterator["Prediction"], *, as_json: bool) -> int:
    failed = 0
    for answer in answers:
        failed += answer.status == "error"
        print(answer.to_json() if as_json else answer, flush=True)
    if not as_json:
        print(NOTICE, file=sys.stderr)
    return SOME_FAILED if failed else DONE


PREDICT = Command(
    name="predict",
    text="answer for slices, folders and volumes",
    examples="""examples:
  mriclassify predict scan.png
  mriclassify predict scans/ --csv answers.csv
  mriclassify predict volume.nii.gz --axis 2 --slice 90 --json
  mriclassify predict dicom-folder/ series.zip volume.nii.gz --study
  mriclassify predict scans/ --report report/ --anonymize
  mriclassify predict scans/ --shard 2/8 --resume --csv answers-2.csv""",
    arguments=_predict_arguments,
    run=_predict,
)
