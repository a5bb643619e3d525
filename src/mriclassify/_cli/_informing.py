"""Informing: what a bug report needs."""

import argparse
import json

from mriclassify._cli._command import DONE, Command


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def _info(options: argparse.Namespace) -> int:
    from mriclassify._information import information

    facts = information()
    if options.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    return DONE


INFO = Command(
    name="info",
    text="versions, devices, cache and weights: what to paste into a bug report",
    examples="""examples:
  mriclassify info
  mriclassify info --json""",
    arguments=_info_arguments,
    run=_info,
)
