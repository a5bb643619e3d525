"""Command: what the parser has to know of one, and the exit statuses that it returns."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

DONE, SOME_FAILED, STOPPED = 0, 1, 2
INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 + SIGINT."""


class Command(NamedTuple):
    """One command of the command line."""

    name: str
    text: str
    """What it does, in the list of commands and at the top of its help."""
    examples: str
    """The end of its help."""
    arguments: Callable[[argparse.ArgumentParser], None]
    """Gives the parser the command's arguments."""
    run: Callable[[argparse.Namespace], int]
    """Does it, and returns the exit status."""
