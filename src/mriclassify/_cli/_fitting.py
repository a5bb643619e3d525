"""Fitting: labelled slices become a model in a file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mriclassify._cli._arguments import batch_argument, device_argument, positive
from mriclassify._cli._command import DONE, Command
from mriclassify._cli._datasets import data_argument, dataset, group_arguments
from mriclassify._errors import OutputError, SplitError
from mriclassify._output import whole_file

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser, columns="path, label[, group]")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="where the model goes (.safetensors)")
    parser.add_argument("--backbone", default="mobilenet_v2", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--pretrained", default="imagenet", metavar="imagenet|none|FILE", help="default: %(default)s")
    parser.add_argument(
        "--teacher", metavar="NAME|FILE", help="weights whose answers are learnt beside the labels, as accurate"
    )
    parser.add_argument("--validation", type=Path, metavar="FOLDER|CSV", help="default: 15 %% of the data, by patient")
    parser.add_argument("--epochs", type=positive, default=20, metavar="N", help="default: %(default)s")
    batch_argument(parser)
    parser.add_argument("--learning-rate", type=float, default=5e-4, metavar="RATE", help="default: %(default)s")
    parser.add_argument("--patience", type=positive, metavar="N", help="stop after N epochs without progress")
    parser.add_argument("--size", type=positive, metavar="PIXELS", help="side of the images; default: the backbone's")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    device_argument(parser)
    parser.add_argument("--run", type=Path, metavar="DIR", help="keep the state there, and go on from it after a crash")
    group_arguments(parser)
    parser.add_argument(
        "--by",
        choices=("group", "slice"),
        default="group",
        help="how validation is set apart; slice overstates accuracy where a patient has several slices",
    )
    parser.add_argument(
        "--with-test", action="store_true", help="train on the published test part too, if the data have one"
    )


def _fit(options: argparse.Namespace) -> int:
    from mriclassify import Classifier, Preprocessing, TrainingOptions
    from mriclassify._data._record import NEAR_DUPLICATES

    _writable(options.out)
    data = dataset(options.data, options.group_pattern)
    if not options.with_test:
        data = _without_test(data)
    if options.validation:
        train, validation = data, dataset(options.validation, options.group_pattern)
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
    teacher = Classifier.from_pretrained(options.teacher, device=options.device) if options.teacher else None
    print(f"training on {train}\nvalidating on {validation}")
    guessed = sum(record.group_source == NEAR_DUPLICATES for record in train)
    if guessed and not options.validation:
        print(
            f"the patients of {guessed} training slices are not known: near-duplicates are kept together, other slices "
            "of one patient are not (--group-pattern, or a group column, says who is who)"
        )
    clf.fit(train, validation=validation, options=settings, teacher=teacher, resume=options.run, on_epoch=_print_epoch)
    clf.save(options.out)
    print(f"saved {options.out}")
    return DONE


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


FIT = Command(
    name="fit",
    text="train a classifier on labelled slices",
    examples="""examples:
  mriclassify fit brain-tumor-mri/ --out my-model.safetensors --group-pattern '(patient\\d+)'
  mriclassify fit slices.csv --out my-model.safetensors --backbone resnet18 --epochs 30
  mriclassify fit slices.csv --out my-model.safetensors --run run/    (again after a crash: goes on)""",
    arguments=_fit_arguments,
    run=_fit,
)
