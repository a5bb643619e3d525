"""Managing: what can be fetched and checked, public data sets and published weights."""

import argparse
from pathlib import Path

from mriclassify._cli._command import DONE, SOME_FAILED, Command
from mriclassify._errors import OptionError


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


DATA = Command(
    name="data",
    text="list, fetch and check the public data sets",
    examples="""examples:
  mriclassify data list
  mriclassify data download figshare --root data/
  mriclassify data verify nickparvar --root data/brain-tumor-mri-dataset""",
    arguments=_data_arguments,
    run=_data,
)

WEIGHTS = Command(
    name="weights",
    text="list, fetch and check published weights",
    examples="""examples:
  mriclassify weights list
  mriclassify weights download default
  mriclassify weights import fetched-by-hand.safetensors""",
    arguments=_weights_arguments,
    run=_weights,
)
