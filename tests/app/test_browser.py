"""The page in a real browser: Debian's Chromium."""

import base64
import importlib.util
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gradio")
pytest.importorskip("playwright")

PLACE = Path(__file__).with_name("driver.py")


def _loaded() -> Any:
    import sys

    specification = importlib.util.spec_from_file_location("app_driver", PLACE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["app_driver"] = module  # its dataclasses look for themselves there
    specification.loader.exec_module(module)
    return module


driver = _loaded()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not driver.CHROMIUM.exists(), reason="needs Debian's chromium"),
    pytest.mark.timeout(300),
    # Of some 300 visits one was never answered, and nobody knows why: once more, with a new page, is allowed.
    pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]),
]

JPEG, SLAB, DICOM = "colin27_ventricles.jpg", "colin27_slab.nii.gz", "mni152_ventricles.dcm"

NAMELESS = """() => [...document.querySelectorAll("button, input, a, select, textarea, [role=slider]")]
  .filter(part => part.checkVisibility() && part.type !== "file")
  .filter(part => !(part.getAttribute("aria-label") || part.labels?.length || part.innerText?.trim() || part.title))
  .map(part => part.outerHTML.slice(0, 200))"""

FAINT = """() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return [...n.slice(0, 3), n[3] ?? 1]; };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const ground = part => {
    for (; part; part = part.parentElement) {
      const colour = parse(getComputedStyle(part).backgroundColor);
      if (colour[3] > .5) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const part = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !part.checkVisibility() || part.closest(".mri-hidden, script, style")) continue;
    if (parseFloat(getComputedStyle(part).fontSize) === 0) continue;
    const [one, other] = [light(parse(getComputedStyle(part).color)), light(ground(part))].sort((a, b) => b - a);
    const contrast = (one + .05) / (other + .05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${text.slice(0, 60)}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with driver.running(tmp_path_factory.mktemp("uploads")) as found:
        yield found
        assert "Traceback" not in found.output(), found.output()


@pytest.fixture
def browser(app: Any) -> Iterator[Any]:
    with driver.browsing(app.address) as found:
        yield found
        assert found.hosts == {"127.0.0.1"}, "the page asked another computer"
        assert not found.errors
    assert not app.uploads(), "an upload was kept"


def test_a_picture_that_is_dropped_is_answered_and_not_kept(browser: Any, app: Any) -> None:
    browser.drop([driver.SCANS / JPEG])
    browser.wait_for("Status: OK.")
    assert not app.uploads()
    answer = browser.page.inner_text("#answer")
    assert JPEG in answer
    shares = [float(value) for value in re.findall(r"([\d.]+) %", browser.page.inner_text("#answer table"))]
    assert len(shares) == 4
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert browser.page.locator("#picture img").get_attribute("src").startswith("data:image/png")
    assert browser.said().startswith(JPEG)


def test_the_notice_stays_in_view(browser: Any) -> None:
    browser.choose([driver.SCANS / JPEG])
    browser.wait_for("Status: OK.")
    browser.page.mouse.wheel(0, 3000)
    browser.page.wait_for_timeout(200)
    notice = browser.page.locator(".mri-notice")
    assert notice.inner_text().startswith("For research use only")
    assert notice.bounding_box()["y"] >= 0


def test_a_dicom_series_is_one_answer_and_its_slices_are_scrolled_through(browser: Any, tmp_path: Path) -> None:
    browser.choose(driver.write_series(tmp_path))
    browser.wait_for("8 DICOM files")
    assert "From 8 of 8 slices" in browser.page.inner_text("#answer")
    assert not browser.page.locator("#rows").is_visible()
    slider = browser.page.locator("#number input[type=range]")
    first = int(slider.input_value())
    slider.focus()
    browser.page.keyboard.press("ArrowRight" if first < 8 else "ArrowLeft")
    number = first + 1 if first < 8 else first - 1
    browser.page.locator("#picture", has_text=f"Slice {number} of 8").wait_for(timeout=driver.PATIENCE)


def test_a_volume_has_the_same_slices(browser: Any) -> None:
    browser.choose([driver.SCANS / SLAB])
    browser.wait_for(SLAB)
    browser.page.locator("#number input[type=range]").fill("8")
    browser.page.locator("#picture", has_text="Slice 8 of 8").wait_for(timeout=driver.PATIENCE)


def test_a_text_named_jpg_is_explained_in_words_without_paths(browser: Any, app: Any, tmp_path: Path) -> None:
    browser.choose([driver.write_text_named_jpg(tmp_path)])
    browser.wait_for("notes.jpg is not an image of a known kind")
    text = browser.page.inner_text("body")
    assert str(app.folder) not in text
    assert "mriclassify-app-" not in text
    assert not browser.page.locator("#controls").is_visible()


def test_200_mb_are_refused_before_they_are_sent(browser: Any, tmp_path: Path) -> None:
    browser.choose([driver.write_huge(tmp_path)])
    browser.page.locator("#said", has_text="200 MB").wait_for(timeout=driver.PATIENCE)
    assert "100 MB at most" in browser.said()
    assert browser.uploads == 0
    browser.choose([driver.SCANS / JPEG])
    browser.wait_for("Status: OK.")


def test_of_several_answers_one_is_chosen(browser: Any, tmp_path: Path) -> None:
    written = [driver.write_noise(tmp_path), driver.write_text_named_jpg(tmp_path)]
    browser.choose([driver.SCANS / JPEG, driver.SCANS / DICOM, *written])
    rows = browser.page.locator("#rows label")
    rows.first.wait_for(timeout=driver.PATIENCE)
    # A single DICOM file is no series, and keeps its place.
    assert [row.inner_text().split(" ·")[0].strip() for row in rows.all()] == [
        f"1. {JPEG}",
        f"2. {DICOM}",
        "3. noise.png",
        "4. notes.jpg",
    ]
    rows.nth(1).click()
    # Whatever the weights say of it, its file says that it is derived from other images.
    browser.wait_for("ImageType DERIVED")
    rows.nth(2).click()
    browser.wait_for("No answer to rely on")
    rows.nth(3).click()
    browser.wait_for("notes.jpg is not an image")
    rows.nth(0).click()
    browser.wait_for("Status: OK.")
    assert browser.page.locator("#picture img").is_visible()


def test_the_map_and_its_opacity_change_the_picture(browser: Any) -> None:
    browser.choose([driver.SCANS / JPEG])
    browser.wait_for("Status: OK.")
    picture = browser.page.locator("#picture img")
    with_heat = picture.get_attribute("src")
    browser.page.locator("#opacity input[type=range]").fill("100")
    browser.page.wait_for_function("before => document.querySelector('#picture img').src !== before", arg=with_heat)
    browser.page.get_by_label("Lesion map").check()
    browser.page.locator("#picture", has_text="lesion map").wait_for(timeout=driver.PATIENCE)
    browser.page.get_by_label("None").check()
    browser.page.locator("#picture", has_text="without a map").wait_for(timeout=driver.PATIENCE)


def test_downloads_need_no_file(browser: Any) -> None:
    browser.choose([driver.SCANS / JPEG])
    browser.wait_for("Status: OK.")
    found = {
        link.get_attribute("download"): base64.b64decode(link.get_attribute("href").partition(",")[2])
        for link in browser.page.locator("#picture a").all()
    }
    facts = json.loads(found["colin27_ventricles.json"])
    assert facts["prediction"]["label"] == facts["explanation"]["prediction"]["label"] == "notumor"
    assert facts["source"] == JPEG
    assert "research" in facts["notice"]
    assert Image.open(io.BytesIO(found["colin27_ventricles.png"])).width > 181


def test_the_keyboard_is_enough(browser: Any, tmp_path: Path) -> None:
    page, choosers = browser.page, []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.wait_for_timeout(1000)  # Playwright listens to dialogues only from then on
    page.keyboard.press("Tab")
    for _ in range(5):
        if "Choose scans" in (page.evaluate("document.activeElement.getAttribute('aria-label')") or ""):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_timeout(3000)
    assert len(choosers) == 1
    choosers[0].set_files([driver.SCANS / SLAB, driver.write_text_named_jpg(tmp_path)])
    # The answers come part by part: what is pressed before the last one may find other parts, and the focus elsewhere.
    for part in ("#rows label", "#picture img", "#opacity input[type=range]"):
        page.locator(part).first.wait_for(timeout=driver.PATIENCE)
    seen = set()
    for _ in range(40):  # twice around the page
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('#rows, #number, #layer, #opacity, #picture a')?.id"))
    assert {"rows", "number", "layer", "opacity"} <= seen
    page.locator("#rows input").nth(1).focus()
    page.keyboard.press("Space")
    browser.wait_for("notes.jpg is not an image")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_parts_have_names_and_letters_enough_contrast(app: Any, tmp_path: Path, scheme: str) -> None:
    with driver.browsing(app.address, color_scheme=scheme) as browser:
        page = browser.page
        assert page.get_attribute("html", "lang") == "en"
        assert page.locator("#said").get_attribute("aria-live") == "polite"
        assert page.evaluate(FAINT) == []
        browser.choose([driver.SCANS / SLAB, driver.SCANS / DICOM, driver.write_text_named_jpg(tmp_path)])
        page.locator("#rows label").first.wait_for(timeout=driver.PATIENCE)
        for row in page.locator("#rows label").all():
            row.click()
            page.wait_for_timeout(1500)
            assert page.evaluate(FAINT) == []
            assert page.evaluate(NAMELESS) == []


def test_a_hostile_name_stays_a_name(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>${1+1}{{value}}.jpg"
    path.write_bytes((driver.SCANS / JPEG).read_bytes())
    browser.choose([path])
    browser.wait_for("${1+1}{{value}}")
    assert browser.page.locator("#answer img").count() == 0


def test_with_a_password_nothing_is_seen_before_it_is_given(tmp_path: Path) -> None:
    password = "a-long-password"
    with (
        driver.running(tmp_path, "--host", "0.0.0.0", MRICLASSIFY_APP_PASSWORD=password) as app,
        driver.browsing(app.address.replace("localhost", "127.0.0.1")) as browser,
    ):
        page = browser.page
        assert not page.locator("#files").is_visible()
        assert "For research use only" in page.inner_text("body")
        page.locator("input:not([type=password])").first.fill("mri")
        page.locator("input[type=password]").fill(password)
        page.keyboard.press("Enter")
        page.locator("#files button").wait_for(timeout=driver.PATIENCE)
