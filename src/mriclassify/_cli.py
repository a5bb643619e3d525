"""The command line: a thin layer over the same verbs.

Nothing heavy is imported before a command runs, so that `mriclassify --help` and `--version` answer at once.
Exit status: 0 done, 1 some inputs failed, 2 wrong usage or an error that stopped the command.
"""

import argparse
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mriclassify._answers import answered, columns_of, write_answers
from mriclassify._errors import MriClassifyError, OptionError, OutputError, ReadError, SplitError
from mriclassify._notice import NOTICE
from mriclassify._output import whole_file
from mriclassify._version import __version__

if TYPE_CHECKING:
    from mriclassify import Classifier
    from mriclassify._data._dataset import Dataset
    from mriclassify._model._prediction import Prediction

DONE, SOME_FAILED, STOPPED = 0, 1, 2
INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 + SIGINT."""

EXAMPLES = {
    "predict": """examples:
  mriclassify predict scan.png
  mriclassify predict scans/ --csv answers.csv
  mriclassify predict volume.nii.gz --axis 2 --slice 90 --json
  mriclassify predict dicom-folder/ series.zip volume.nii.gz --study
  mriclassify predict scans/ --report report/ --anonymize
  mriclassify predict scans/ --shard 2/8 --resume --csv answers-2.csv""",
    "fit": """examples:
  mriclassify fit brain-tumor-mri/ --out my-model.safetensors --group-pattern '(patient\\d+)'
  mriclassify fit slices.csv --out my-model.safetensors --backbone resnet18 --epochs 30
  mriclassify fit slices.csv --out my-model.safetensors --run run/    (again after a crash: goes on)""",
    "explain": """examples:
  mriclassify explain scan.png --out overlay.png
  mriclassify explain volume.nii.gz --slice 90 --show lesion --out lesion.svg --json""",
    "evaluate": """examples:
  mriclassify evaluate slices.csv
  mriclassify evaluate brain-tumor-mri/Testing --weights my-model.safetensors --out report/""",
    "audit": """examples:
  mriclassify audit brain-tumor-mri/ --out audit/
  mriclassify audit slices.csv --classifier small_cnn    (also lists labels that its answers doubt)""",
    "data": """examples:
  mriclassify data list
  mriclassify data download figshare --root data/
  mriclassify data verify nickparvar --root data/brain-tumor-mri-dataset""",
    "weights": """examples:
  mriclassify weights list
  mriclassify weights download default
  mriclassify weights import fetched-by-hand.safetensors""",
    "app": """examples:
  mriclassify app
  mriclassify app --port 7861 --weights my-model.safetensors --no-browser
  mriclassify app --host 0.0.0.0 --password-file password.txt    (for the lab: see the guide "The web page")""",
    "info": """examples:
  mriclassify info
  mriclassify info --json""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("mriclassify").setLevel(logging.INFO if options.verbose else logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name that the terminal can't show must not end a long run.
        sys.stdout.reconfigure(errors="backslashreplace")
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except MriClassifyError as error:
        print(f"mriclassify: {error}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("mriclassify: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # `mriclassify predict ... | head` closed the pipe: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mriclassify",
        description=f"Which tumour class a brain MRI slice shows, and how sure that is. {NOTICE}",
        epilog="mriclassify COMMAND --help shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"mriclassify {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text,
            description=f"{text}. {NOTICE}",
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("-v", "--verbose", action="store_true", help="say more on standard error")
        made.set_defaults(command=run)
        return made

    _predict_arguments(command("predict", "answer for slices, folders and volumes", _predict))
    _fit_arguments(command("fit", "train a classifier on labelled slices", _fit))
    _evaluate_arguments(command("evaluate", "measure a classifier on labelled slices", _evaluate))
    _audit_arguments(command("audit", "look for duplicates, leaks, wrong labels and shortcuts in a dataset", _audit))
    _explain_arguments(command("explain", "show where an answer comes from", _explain))
    _data_arguments(command("data", "list, fetch and check the public data sets", _data))
    _weights_arguments(command("weights", "list, fetch and check published weights", _weights))
    _app_arguments(command("app", "a page to drop scans on, on this computer", _app))
    info = command("info", "versions, devices, cache and weights: what to paste into a bug report", _info)
    info.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _classifier_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", default="default", metavar="NAME|FILE", help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps; default: %(default)s")


def _slice_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--axis", type=int, choices=(0, 1, 2), default=2, help="of a volume: 0 sagittal, 1 coronal, 2 axial"
    )
    parser.add_argument("--slice", type=int, metavar="N", help="of a volume along the axis; default: the middle one")


def _model_arguments(parser: argparse.ArgumentParser) -> None:
    _classifier_arguments(parser)
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="default: %(default)s")


# predict


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scans", nargs="+", metavar="SCAN", help="a file, a folder or a pattern; with --study a series")
    _model_arguments(parser)
    _slice_arguments(parser)
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
        help="also write a page with the answers, scans and maps; takes about four times as long",
    )
    parser.add_argument(
        "--anonymize",
        action="store_true",
        help="hash the names of files in --report DIR; what is printed, and --csv FILE, keep them",
    )
    parser.add_argument("--allow-url", action="store_true", help="fetch a SCAN that begins with http:// or https://")


def _predict(options: argparse.Namespace) -> int:
    from mriclassify import Classifier
    from mriclassify._reading import expand

    if options.resume and not options.csv:
        raise OptionError("--resume needs --csv FILE: it goes on where that file ends")
    _check_report(options)
    clf = Classifier.from_pretrained(options.weights, device=options.device)
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


def _tell(answers: Iterator["Prediction"], columns: list[str], options: argparse.Namespace) -> int:
    """Print the answers or write the table, as they come; return the exit status."""
    if options.csv:
        failed = write_answers(answers, options.csv, columns=columns, append=options.resume)
        return SOME_FAILED if failed else DONE
    return _print_answers(answers, as_json=options.json)


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


def _print_answers(answers: Iterator["Prediction"], *, as_json: bool) -> int:
    failed = 0
    for answer in answers:
        failed += answer.status == "error"
        print(answer.to_json() if as_json else answer, flush=True)
    if not as_json:
        print(NOTICE, file=sys.stderr)
    return SOME_FAILED if failed else DONE


# fit


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="FOLDER|CSV", help="class folders, or a table with columns path, label[, group]"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="where the model goes (.safetensors)")
    parser.add_argument("--backbone", default="mobilenet_v2", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--pretrained", default="imagenet", metavar="imagenet|none|FILE", help="default: %(default)s")
    parser.add_argument("--validation", type=Path, metavar="FOLDER|CSV", help="default: 15 %% of the data, by patient")
    parser.add_argument("--epochs", type=_positive, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=5e-4, metavar="RATE", help="default: %(default)s")
    parser.add_argument("--patience", type=_positive, metavar="N", help="stop after N epochs without progress")
    parser.add_argument("--size", type=_positive, metavar="PIXELS", help="side of the images; default: the backbone's")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps; default: %(default)s")
    parser.add_argument("--run", type=Path, metavar="DIR", help="keep the state there, and go on from it after a crash")
    _group_arguments(parser)
    parser.add_argument(
        "--by",
        choices=("group", "slice"),
        default="group",
        help="how validation is set apart; slice overstates accuracy where a patient has several slices",
    )
    parser.add_argument(
        "--with-test", action="store_true", help="train on the published test part too, if the data have one"
    )


def _group_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help="its first bracket, found in a file's path, names the patient; wins over a table's column group",
    )


def _without_test(data: "Dataset") -> "Dataset":
    """Return the data without a published test part and its patients, and say so: who trains on them can't measure."""
    test = data.filter(lambda record: record.split == "test")
    rest = data.filter(lambda record: record.split != "test")
    if not test or not rest:
        return data
    print(f"left out the published test part, {len(test)} slices; --with-test takes it in")
    apart = rest.without_groups_of(test)
    if len(apart) < len(rest):
        print(
            f"left out {len(rest) - len(apart)} of the other {len(rest)} slices too, whose patients or near-duplicates "
            "are in that test part"
        )
    return apart


def _fit(options: argparse.Namespace) -> int:
    from mriclassify import Classifier, Preprocessing, TrainingOptions
    from mriclassify._data._record import NEAR_DUPLICATES

    _writable(options.out)
    data = _dataset(options.data, options.group_pattern)
    if not options.with_test:
        data = _without_test(data)
    if options.validation:
        train, validation = data, _dataset(options.validation, options.group_pattern)
    else:
        train, validation = _parts(data, by=options.by, seed=options.seed)
    clf = Classifier(
        options.backbone,
        pretrained=None if options.pretrained == "none" else options.pretrained,
        preprocessing=Preprocessing(size=options.size) if options.size else None,
        device=options.device,
    )
    settings = TrainingOptions(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        patience=options.patience,
        seed=options.seed,
    )
    print(f"training on {train}\nvalidating on {validation}")
    guessed = sum(record.group_source == NEAR_DUPLICATES for record in train)
    if guessed and not options.validation:
        print(
            f"the patients of {guessed} training slices are not known: near-duplicates are kept together, other slices "
            "of one patient are not (--group-pattern, or a group column, says who is who)"
        )
    clf.fit(train, validation=validation, options=settings, resume=options.run, on_epoch=_print_epoch)
    clf.save(options.out)
    print(f"saved {options.out}")
    return DONE


def _parts(data: "Dataset", *, by: Literal["group", "slice"], seed: int) -> tuple["Dataset", ...]:
    from mriclassify._training._fitting import VALIDATION_SHARE

    try:
        # Who writes --by slice has been told what it does, and only validation suffers.
        return data.split((1 - VALIDATION_SHARE, VALIDATION_SHARE), by=by, seed=seed, allow_leakage=by == "slice")
    except SplitError as error:
        raise SplitError(
            f"{error} Here: --group-pattern or a group column; --by slice; or slices of your own with --validation."
        ) from error


def _print_epoch(epoch: Any) -> None:
    print(
        f"epoch {epoch.epoch}: train loss {epoch.train_loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"accuracy {epoch.validation_accuracy:.4f}, macro-F1 {epoch.validation_macro_f1:.4f}, {epoch.seconds:.0f} s",
        flush=True,
    )


def _writable(path: Path) -> None:
    """Find out before an hour of training, not after it, that the model can't be written.

    Raises:
        OutputError: it can't.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: --out needs the name of a file, as my-model.safetensors")
    with whole_file(path.with_name(f"{path.name}.trial")) as part:
        part.touch()
    path.with_name(f"{path.name}.trial").unlink()


def _dataset(path: str | Path, group_pattern: str | None, *, correct_labels: bool = True) -> "Dataset":
    from mriclassify import Dataset

    group = _grouping(group_pattern) if group_pattern else None
    read = Dataset.from_folder if Path(path).is_dir() else Dataset.from_csv
    return read(path, group=group, correct_labels=correct_labels)


def _grouping(pattern: str) -> Callable[[Path], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionError(f"--group-pattern {pattern!r} is no regular expression: {error}") from error
    if not compiled.groups:
        raise OptionError(
            f"--group-pattern {pattern!r} needs a bracket around what names the patient, as '(patient\\d+)'"
        )

    def group(path: Path) -> str:
        found = compiled.search(path.as_posix())
        if not found or not found[1]:
            raise OptionError(f"--group-pattern {pattern!r} finds no patient in {path}")
        return found[1]

    return group


# evaluate


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="FOLDER|CSV", help="class folders, or a table with columns path, label[, group]"
    )
    _model_arguments(parser)
    _group_arguments(parser)
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), help="only the rows of this published split"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a report: a page, tables and plots")
    parser.add_argument(
        "--pictures",
        type=_count,
        default=12,  # as Report.save has it, whose room takes a second to import
        metavar="N",
        help="mistakes that the page shows as pictures, 0 for none; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _evaluate(options: argparse.Namespace) -> int:
    from mriclassify import Classifier

    data = _dataset(options.data, options.group_pattern)
    if options.split:
        data = data.filter(lambda record: record.split == options.split)
        if not len(data):
            raise OptionError(f"--split {options.split}: no slice of {options.data} is in that part")
    clf = Classifier.from_pretrained(options.weights, device=options.device)
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


# audit


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="FOLDER|CSV", help="class folders, or a table with columns path, label[, group, split]"
    )
    _group_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write audit.html, audit.json and audit.txt")
    parser.add_argument("--json", action="store_true", help="print the audit as JSON")
    parser.add_argument(
        "--classifier", metavar="BACKBONE", help="train it in folds, and list slices whose label its answers doubt"
    )
    parser.add_argument(
        "--folds", type=_positive, default=5, metavar="N", help="for --classifier; default: %(default)s"
    )
    parser.add_argument("--keep-labels", action="store_true", help="do not correct the labels of known slices")


def _audit(options: argparse.Namespace) -> int:
    data = _dataset(options.data, options.group_pattern, correct_labels=not options.keep_labels)
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


# data


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "download", "verify"))
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the set; not for list")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the set lies or goes; default: the cache folder"
    )
    parser.add_argument("--json", action="store_true", help="for list: as JSON")


def _data(options: argparse.Namespace) -> int:
    from mriclassify._catalogue import _managing as managing

    if options.action == "list":
        managing.show(as_json=options.json, write=print)
        return DONE
    if options.name is None:
        raise OptionError(f"data {options.action} needs the name of a set: mriclassify data list shows them")
    if options.action == "download":
        managing.download(options.name, options.root, write=print)
        return DONE
    return DONE if managing.check(options.name, options.root, write=print) else SOME_FAILED


# explain


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scan", metavar="SCAN", help="a file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the picture: .png or .svg")
    _classifier_arguments(parser)
    parser.add_argument("--label", metavar="CLASS", help="the class to explain; default: the answer")
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="layer-cam (default), grad-cam, grad-cam++, or with the extra `explain` integrated-gradients, occlusion",
    )
    parser.add_argument("--layer", metavar="NAME", help="module of the backbone, for methods named ...cam")
    parser.add_argument("--show", choices=("heat", "lesion"), default="heat", help="which map; default: %(default)s")
    _slice_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the answer and the region as JSON")
    parser.add_argument("--allow-url", action="store_true", help="fetch a SCAN that begins with http:// or https://")


def _explain(options: argparse.Namespace) -> int:
    from mriclassify import Classifier
    from mriclassify._explaining import DEFAULT_METHOD

    clf = Classifier.from_pretrained(options.weights, device=options.device)
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


# weights


def _weights_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "download", "import", "verify", "clear"))
    parser.add_argument(
        "name", nargs="?", metavar="NAME|FILE", help="default: all; for import: the file fetched by hand"
    )
    parser.add_argument("--json", action="store_true", help="for list: as JSON")


def _weights(options: argparse.Namespace) -> int:
    from mriclassify._weights import _managing as managing

    if options.action == "list":
        managing.show(as_json=options.json, write=print)
    elif options.action == "download":
        managing.download(options.name, write=print)
    elif options.action == "import":
        if options.name is None:
            raise OptionError("weights import needs the file that was fetched by hand: mriclassify weights import FILE")
        managing.import_by_hand(Path(options.name), write=print)
    elif options.action == "verify":
        return SOME_FAILED if managing.check(options.name, write=print) else DONE
    else:
        managing.empty(options.name, write=print)
    return DONE


# app


def _app_arguments(parser: argparse.ArgumentParser) -> None:
    _classifier_arguments(parser)
    parser.add_argument("--port", type=int, default=7860, metavar="N", help="0 takes any that is free; default: 7860")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="default: %(default)s, this computer alone; any other needs a password",
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="holds the password, of 12 letters or more; or set MRICLASSIFY_APP_PASSWORD",
    )
    parser.add_argument(
        "--open", action="store_true", default=None, help="open the page in a browser; see --no-browser"
    )
    parser.add_argument(
        "--no-browser",
        dest="open",
        action="store_false",
        help="only print the address; default where --host is another one",
    )


def _app(options: argparse.Namespace) -> int:
    from mriclassify import Classifier
    from mriclassify._app import _serving as serving

    password = serving.password_for(options.host, options.password_file)
    serving.require_extra()
    clf = Classifier.from_pretrained(options.weights, device=options.device)
    # A page for other computers is started on a server, before which nobody sits.
    is_opened = serving.is_loopback(options.host) if options.open is None else options.open
    serving.serve(clf, host=options.host, port=options.port, password=password, browser=is_opened)
    return DONE


# info


def _info(options: argparse.Namespace) -> int:
    from mriclassify._information import information

    facts = information()
    if options.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    return DONE


# values


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text}")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"must be I/N with 1 <= I <= N, as 2/8, not {text}")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    sys.exit(main())
