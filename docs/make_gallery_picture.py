"""Make the picture of the guide "A page for a batch" from `examples/scans` only, in Debian's Chromium.

pip install -e . playwright
python docs/make_gallery_picture.py
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from mriclassify._cli import main as mriclassify

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
VIEW = {"width": 1150, "height": 1230}
WIDTH = 1000


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description="Make the picture of the guide 'A page for a batch'.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder to write to")
    folder = parser.parse_args().out
    with tempfile.TemporaryDirectory() as place:
        mriclassify(["predict", str(ROOT / "examples" / "scans"), "--report", f"{place}/report"])
        shot = screenshot(Path(place) / "report" / "index.html")
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture = picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)
    picture.quantize(256, Image.Quantize.FASTOCTREE).save(folder / "gallery.png", optimize=True)


def screenshot(page: Path) -> bytes:
    """Return the upper part of a page as PNG."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            view = chromium.new_page(viewport=VIEW)
            view.goto(page.as_uri())
            view.wait_for_load_state("networkidle")
            shot: bytes = view.screenshot()
            return shot
        finally:
            chromium.close()


if __name__ == "__main__":
    main()
