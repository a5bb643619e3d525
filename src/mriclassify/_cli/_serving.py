"""Serving: a page to drop scans on, until Ctrl-C."""

import argparse
from pathlib import Path

from mriclassify._cli._arguments import classifier_arguments
from mriclassify._cli._command import DONE, Command


def _app_arguments(parser: argparse.ArgumentParser) -> None:
    classifier_arguments(parser)
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
    clf = Classifier.from_pretrained(options.weights, device=options.device, precision=options.precision)
    # A page for other computers is started on a server, before which nobody sits.
    is_opened = serving.is_loopback(options.host) if options.open is None else options.open
    serving.serve(clf, host=options.host, port=options.port, password=password, browser=is_opened)
    return DONE


APP = Command(
    name="app",
    text="a page to drop scans on, on this computer",
    examples="""examples:
  mriclassify app
  mriclassify app --port 7861 --weights my-model.safetensors --no-browser
  mriclassify app --host 0.0.0.0 --password-file password.txt    (for the lab: see the guide "The web page")""",
    arguments=_app_arguments,
    run=_app,
)
