"""Drives the page in Debian's Chromium; the tests and `docs/make_app_pictures.py` share it."""

import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from playwright.sync_api import Page, Request, Route, TimeoutError, sync_playwright
from pydicom import dcmread

from mriclassify._reading import read_slice

ROOT = Path(__file__).resolve().parents[2]
SCANS = ROOT / "examples" / "scans"
CHROMIUM = Path("/usr/bin/chromium")
SLICES = 8
"""Of the example volume."""
PATIENCE = 90_000
"""Milliseconds for an answer."""


@dataclass(frozen=True)
class App:
    """A running `mriclassify app`.

    Attributes:
        address: of the page.
        folder: where its folder of uploads lies.
        log: what it prints.
    """

    address: str
    folder: Path
    log: Path

    def uploads(self) -> list[Path]:
        """Return every file that lies where uploads go."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def output(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[App]:
    """Run the page on a free port; `folder` is its folder for temporary files."""
    command = [sys.executable, "-m", "mriclassify", "app", "--port", "0", "--no-browser", *arguments]
    surroundings = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environment}
    # Into a file: a pipe that nobody reads is full after 64 KiB, and the page would stand still.
    with tempfile.NamedTemporaryFile("r", prefix="mriclassify-app-", suffix=".log") as log:
        with Path(log.name).open("w") as output:
            process = subprocess.Popen(command, env=surroundings, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield App(_address(process, Path(log.name)), folder, Path(log.name))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait for the line in the log that tells the page's address, and return it."""
    ended = time.monotonic() + PATIENCE / 1000
    while process.poll() is None and time.monotonic() < ended:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("mriclassify app: ") and line.endswith("ends it)"):
                return line.split()[2]
        time.sleep(0.1)
    raise RuntimeError(f"the page did not start: {log.read_text(encoding='utf-8', errors='replace')}")


@dataclass
class Browser:
    """An open page, and what it asked for.

    Attributes:
        page: Playwright's.
        hosts: that were asked, or would have been.
        uploads: how many requests sent files.
        requests: what was asked, in order.
        errors: of the page's scripts.
    """

    page: Page
    hosts: set[str] = field(default_factory=set)
    uploads: int = 0
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, route: Route, request: Request) -> None:
        """Let only this computer be asked."""
        host = urlsplit(request.url).hostname
        if host is None:  # data: and blob:
            route.continue_()
            return
        self.hosts.add(host)
        self.requests.append(f"{request.method} {urlsplit(request.url).path}")
        self.uploads += "/upload?" in request.url and request.method == "POST"
        route.continue_() if host == "127.0.0.1" else route.abort()

    def choose(self, files: Sequence[Path]) -> None:
        """Give files to the page as its file dialogue does."""
        self.page.set_input_files("#files input[type=file]", files)

    def drop(self, files: Sequence[Path]) -> None:
        """Drop files on the page."""
        content = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in files]
        transfer = self.page.evaluate_handle(
            """content => {
              const transfer = new DataTransfer();
              for (const [name, text] of content)
                transfer.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
              return transfer;
            }""",
            content,
        )
        self.page.dispatch_event("#files button", "drop", {"dataTransfer": transfer})

    def wait_for(self, text: str) -> None:
        """Wait until the answer holds a text."""
        self.page.locator("#answer", has_text=text).wait_for(timeout=PATIENCE)

    def said(self) -> str:
        """Return what a screen reader was told last."""
        return self.page.text_content("#said .prose") or ""


@contextmanager
def browsing(address: str, **settings: Any) -> Iterator[Browser]:
    """Open the page in a new browser."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            page = chromium.new_page(**{"viewport": {"width": 1280, "height": 900}, **settings})
            browser = Browser(page)
            page.route("**/*", browser.ask)
            page.on("pageerror", lambda error: browser.errors.append(str(error)))
            page.goto(address)
            page.locator("#files button, input[type=password]").first.wait_for(timeout=PATIENCE)
            yield browser
        except TimeoutError as error:
            error.add_note(
                f"The page asked: {', '.join(browser.requests[-20:])}. It showed:\n{page.inner_text('body')}"
            )
            raise
        finally:
            chromium.close()


def write_series(folder: Path) -> list[Path]:
    """Write the slices of the example volume as the files of a DICOM series, and return them."""
    template = dcmread(SCANS / "mni152_ventricles.dcm")
    paths = []
    for number in range(SLICES):
        plane = np.asarray(read_slice(SCANS / "colin27_slab.nii.gz", index=number).pixels).astype(np.uint16)
        template.Rows, template.Columns = plane.shape
        template.ImageType = ["ORIGINAL", "PRIMARY"]
        template.ImagePositionPatient = ["0", "0", str(9 * number)]
        template.InstanceNumber = number + 1
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number + 1}"
        template.PixelData = plane.tobytes()
        paths.append(folder / f"IM{number + 1:03}.dcm")
        template.save_as(paths[-1])
    return paths


def write_text_named_jpg(folder: Path) -> Path:
    """Write a text file that claims to be a picture."""
    path = folder / "notes.jpg"
    path.write_text("These are notes, and not a picture.\n")
    return path


def write_noise(folder: Path) -> Path:
    """Write a picture of noise, which is rejected whatever the weights."""
    path = folder / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)).save(path)
    return path


def write_huge(folder: Path) -> Path:
    """Write a file of 200 MB, which takes no room on most disks."""
    path = folder / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    return path
