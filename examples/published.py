"""What the scripts about published numbers share: their command line, a public set, and figures side by side."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from mriclassify import Dataset, DatasetError, Report


def command_line(description: str, *, epochs: int, size: int, backbone: str | None = None) -> argparse.ArgumentParser:
    """Return a parser with the options that all scripts have, and where there is a backbone to choose, with those."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, help="the unpacked set; without it the set is downloaded")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"default: {epochs}")
    parser.add_argument("--size", type=int, default=size, help=f"side of the images, default: {size}")
    parser.add_argument("--limit", type=int, metavar="N", help="take about N slices, to try")
    parser.add_argument("--out", type=Path, help="folder for the report and the model")
    if backbone:
        parser.add_argument("--backbone", default=backbone, help=f"default: {backbone}")
        parser.add_argument("--pretrained", type=weights, default="imagenet", help="imagenet, none, or a file")
    return parser


def weights(text: str) -> str | None:
    return None if text == "none" else text


def read(name: str, root: Path | None, *, limit: int | None = None) -> Dataset:
    """Return the public set `name`, patients known; of another folder than that set, what it holds."""
    if root is None:
        return some(Dataset.from_catalog(name, download=True), limit)
    try:
        data = Dataset.from_catalog(name, root=root)
    except DatasetError as error:
        print(f"{root} is read as any folder of class folders, since it is not the whole set {name}: {error}")
        data = Dataset.from_folder(root)
    return some(data, limit)


def some(data: Dataset, limit: int | None) -> Dataset:
    """Return about `limit` slices, evenly spread over parts and classes."""
    return data if limit is None else data.subset(range(0, len(data), max(1, len(data) // limit)))


def show(report: Report, published: Mapping[str, float]) -> None:
    """Print the report, and its figures beside the published ones."""
    print(report)
    print("\nclasses: " + ", ".join(report.classes), "confusion (rows true, columns answered):", sep="\n")
    print(report.confusion)
    print(f"\n{'':<12}{'published':>10}{'by patient':>12}  95 %")
    for name in ("accuracy", "precision", "recall", "macro_f1", "jaccard", "loss"):
        interval = report.intervals.get(name)
        spread = f"{interval.low:.4f}–{interval.high:.4f}" if interval else ""
        claimed = f"{published[name]:.4f}" if name in published else "–"
        print(f"{name:<12}{claimed:>10}{getattr(report, name):>12.4f}  {spread}")
