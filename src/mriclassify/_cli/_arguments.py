"""Arguments: options that several commands have, and the values they take."""

import argparse


def classifier_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a classifier, and where it computes."""
    parser.add_argument("--weights", default="default", metavar="NAME|FILE", help="default: %(default)s")
    device_argument(parser)
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        default="fp32",
        help="what the network computes in: bf16 is faster on CPUs that are built for it; default: %(default)s",
    )


def device_argument(parser: argparse.ArgumentParser) -> None:
    """Add where is computed."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps; default: %(default)s")


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a classifier, and how many slices it answers at once."""
    classifier_arguments(parser)
    batch_argument(parser)


def batch_argument(parser: argparse.ArgumentParser) -> None:
    """Add how many slices go through a network at once."""
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="default: %(default)s")


def slice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the slice of a volume."""
    parser.add_argument(
        "--axis", type=int, choices=(0, 1, 2), default=2, help="of a volume: 0 sagittal, 1 coronal, 2 axial"
    )
    parser.add_argument("--slice", type=int, metavar="N", help="of a volume along the axis; default: the middle one")


def url_argument(parser: argparse.ArgumentParser) -> None:
    """Add whether scans may be fetched."""
    parser.add_argument("--allow-url", action="store_true", help="fetch a SCAN that begins with http:// or https://")


def positive(text: str) -> int:
    """Return a whole number of at least 1, or let the parser say that it must be one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)


def count(text: str) -> int:
    """Return a whole number of at least 0, or let the parser say that it must be one."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text}")
    return int(text)
