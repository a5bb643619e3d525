"""Running: arguments become a command, and how it ended an exit status."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from mriclassify._cli._auditing import AUDIT
from mriclassify._cli._command import INTERRUPTED, STOPPED
from mriclassify._cli._evaluating import EVALUATE
from mriclassify._cli._explaining import EXPLAIN
from mriclassify._cli._fitting import FIT
from mriclassify._cli._informing import INFO
from mriclassify._cli._managing import DATA, WEIGHTS
from mriclassify._cli._predicting import PREDICT
from mriclassify._cli._serving import APP
from mriclassify._errors import MriClassifyError
from mriclassify._notice import NOTICE
from mriclassify._version import __version__

COMMANDS = (PREDICT, FIT, EVALUATE, AUDIT, EXPLAIN, DATA, WEIGHTS, APP, INFO)
"""In the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = parser().parse_args(arguments)
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


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of all commands."""
    made = argparse.ArgumentParser(
        prog="mriclassify",
        description=f"Which tumour class a brain MRI slice shows, and how sure that is. {NOTICE}",
        epilog="mriclassify COMMAND --help shows examples.",
    )
    made.add_argument("--version", action="version", version=f"mriclassify {__version__}")
    subparsers = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = subparsers.add_parser(
            command.name,
            help=command.text,
            description=f"{command.text}. {NOTICE}",
            epilog=command.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_argument("-v", "--verbose", action="store_true", help="say more on standard error")
        one.set_defaults(command=command.run)
        command.arguments(one)
    return made
