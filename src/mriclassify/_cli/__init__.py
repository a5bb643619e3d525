"""THE COMMAND LINE: a thin layer over the same verbs, with a module for each command.

Nothing heavy is imported before a command runs, so that `mriclassify --help` and `--version` answer at once.
Exit status: 0 done, 1 some inputs failed, 2 wrong usage or an error that stopped the command.
"""

from mriclassify._cli._running import COMMANDS, main, parser

__all__ = ["COMMANDS", "main", "parser"]
