"""Make the pictures of the guide "The web page" from `examples/scans` only, in Debian's Chromium.

pip install -e ".[app]" playwright
python docs/make_app_pictures.py
"""

import argparse
import importlib.util
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the guide 'The web page'.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder to write to")
    make_app_pictures(parser.parse_args().out)


def make_app_pictures(folder: Path) -> None:
    """Write every picture into `folder`."""
    driver = _driver()
    with tempfile.TemporaryDirectory() as place, driver.running(Path(place)) as app:
        with driver.browsing(app.address) as browser:
            _light(driver, browser, Path(place), folder)
        with driver.browsing(app.address, color_scheme="dark") as browser:
            browser.choose([driver.SCANS / "colin27_ventricles.jpg"])
            browser.wait_for("Status: OK.")
            _shoot(browser, folder / "app-dark.png")


def _light(driver: Any, browser: Any, place: Path, folder: Path) -> None:
    scans, page = driver.SCANS, browser.page
    _shoot(browser, folder / "app-start.png")
    browser.choose([driver.write_huge(place)])
    page.locator("#said", has_text="200 MB").wait_for()
    _shoot(browser, folder / "app-too-large.png", height=560)
    browser.choose([scans / "colin27_ventricles.jpg"])
    browser.wait_for("Status: OK.")
    _shoot(browser, folder / "app-slice.png")
    browser.choose(driver.write_series(place))
    browser.wait_for("8 DICOM files")
    _shoot(browser, folder / "app-series.png")
    browser.choose([driver.write_text_named_jpg(place)])
    browser.wait_for("notes.jpg is not an image")
    _shoot(browser, folder / "app-not-read.png", height=420)
    names = ("colin27_ventricles.jpg", "mni152_ventricles.dcm", "colin27_slab.nii.gz")
    written = [driver.write_noise(place), driver.write_text_named_jpg(place)]
    browser.choose([*(scans / name for name in names), *written])
    page.locator("#rows label").first.wait_for(timeout=driver.PATIENCE)
    _shoot(browser, folder / "app-several.png")
    page.locator("#rows label").nth(len(names)).click()
    browser.wait_for("No answer to rely on")
    _shoot(browser, folder / "app-rejected.png")


def _shoot(browser: Any, path: Path, *, height: int | None = None) -> None:
    """Save what the page shows, of its whole height or from the top so far."""
    page = browser.page
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)  # fading and the picture's decoding
    clip = None if height is None else {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
    shot = page.screenshot(clip=clip) if clip else page.screenshot(full_page=True)
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    # A third of the size. Octree, not median cut, which gives few pixels of a colour no entry of their own.
    picture.quantize(256, Image.Quantize.FASTOCTREE).save(path, optimize=True)


def _driver() -> Any:
    specification = importlib.util.spec_from_file_location("app_driver", ROOT / "tests" / "app" / "driver.py")
    if specification is None or specification.loader is None:
        raise ImportError("tests/app/driver.py is missing")
    module = importlib.util.module_from_spec(specification)
    sys.modules["app_driver"] = module  # its dataclasses look for themselves there
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
