import base64
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify import Dataset
from mriclassify._data._audit._drawings import STYLE, bar, histogram, scatter
from mriclassify._data._audit._findings import (
    Audit,
    Balance,
    Clusters,
    Intensity,
    Known,
    KnownLabel,
    LabelConflict,
    PartLeak,
    Shortcut,
    Sizes,
    Suspect,
    Told,
    TwoGroups,
)
from mriclassify._data._audit._page import page
from mriclassify._data._audit._sheets import (
    CLUSTERS_SHOWN,
    MEAN_OF,
    MEMBERS_SHOWN,
    PAIRS_SHOWN,
    SLICES_SHOWN,
    mean_slices,
)
from mriclassify._data._record import Record
from mriclassify._likeness._looks import ROW, Looks

VOID = {"meta", "img", "br", "rect", "circle", "path"}


def picture(seed: int, *, height: int = 40, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def looks_of(data: Dataset, **errors: str) -> Looks:
    """What was seen of a dataset, without the hashing: `errors` by the stem of the file."""
    rows = np.zeros(len(data), ROW)
    rows["hash"] = np.random.default_rng(0).integers(0, 2**63, (len(data), 4))
    for row, record in zip(rows, data, strict=True):
        row["height"], row["width"] = (0, 0) if record.path.stem in errors else (40, 32)
    return Looks(data_paths(data), tuple(errors.get(record.path.stem) for record in data), rows)


def data_paths(data: Dataset) -> tuple[Path, ...]:
    return tuple(record.path for record in data)


def audit_of(data: Dataset, looks: Looks, **changes: Any) -> Audit:
    """An audit that found nothing, but for the changes."""
    counts = data.counts()
    found: dict[str, Any] = {
        "n": len(data),
        "counts": counts,
        "splits": {},
        "sources": {},
        "n_groups": 0,
        "ungrouped": len(data),
        "unreadable": (),
        "exact_duplicates": Clusters(clusters=()),
        "near_duplicates": Clusters(clusters=()),
        "leaks": (),
        "two_groups": (),
        "known": Known(slices=0, images=0, patients=0, altered=0, labels=(), divided_patients=0),
        "label_conflicts": (),
        "suspects": None,
        "balance": Balance(
            shares={label: n / len(data) for label, n in counts.items()},
            largest=max(counts, key=lambda label: counts[label]),
            smallest=min(counts, key=lambda label: counts[label]),
            ratio=max(counts.values()) / min(counts.values()),
        ),
        "sizes": {label: sizes(n) for label, n in counts.items()},
        "intensity": {label: intensity(n) for label, n in counts.items()},
        "shortcut": None,
        "shortcut_missing": "there are too few slices.",
    }
    return Audit(**(found | changes), _data=data, _looks=looks)


def sizes(n: int) -> Sizes:
    forty, thirty = (40.0, 40.0, 40.0), (32.0, 32.0, 32.0)
    return Sizes(
        n=n, different=1, commonest=(40, 32), commonest_share=1.0, height=forty, width=thirty, file_size=(1e3, 2e3, 3e6)
    )


def intensity(n: int) -> Intensity:
    return Intensity(
        n=n, mean=0.25, std=0.1, percentiles={1: 0.0, 50: 0.2, 99: 0.9}, histogram=(0.6,) + (0.4 / 15,) * 15
    )


def told(accuracy: float, chance: float = 0.5) -> Told:
    return Told(balanced_accuracy=accuracy, low=accuracy - 0.05, high=min(1.0, accuracy + 0.05), chance=chance)


def make(folder: Path, names: list[str], **known: dict[str, Any]) -> Dataset:
    """Write a picture for each name, in class folders `a` and `b` in turn; `known` by stem."""
    records = []
    for seed, name in enumerate(names):
        label = "ab"[seed % 2]
        path = folder / label / name
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(picture(seed)).save(path, "PNG")
        records.append(Record(path, label, **known.get(path.stem, {})))
    return Dataset(records)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    parts = {f"s{k}": {"split": "test" if k >= 6 else "train"} for k in range(8)}
    return make(tmp_path / "set", [f"s{k}.png" for k in range(8)], **parts)


def written(data: Dataset, looks: Looks | None = None, **changes: Any) -> str:
    looks = looks or looks_of(data)
    return page(audit_of(data, looks, **changes), data, looks)


class Reader(HTMLParser):
    """Reads a page as strictly as it is written: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.texts: list[str] = []
        self.feed(text.replace("<wbr>", ""))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pictures(text: str) -> Iterator[Image.Image]:
    for code in re.findall(r'src="data:image/(?:jpeg|png);base64,([^"]+)"', text):
        yield Image.open(io.BytesIO(base64.b64decode(code)))


def full(data: Dataset) -> dict[str, Any]:
    """Something of everything."""
    path = data_paths(data)
    families = {"file size": told(0.8), "borders": told(0.6)}
    return {
        "splits": {"train": {"a": 3, "b": 3}, "test": {"a": 1, "b": 1}},
        "sources": {"left & right": 8},
        "n_groups": 4,
        "unreadable": ((path[7], f"{path[7]} is cut off"),),
        "exact_duplicates": Clusters(clusters=((path[0], path[6]),)),
        "near_duplicates": Clusters(clusters=((path[1], path[2], path[3]),)),
        "leaks": (PartLeak(part="test", other="train", n=2, slices=1, by_group=0, near=1, copies=1, groups=0),),
        "two_groups": (TwoGroups(paths=path[:2], groups=("p1", "p2"), image=17),),
        "known": Known(
            slices=3,
            images=2,
            patients=1,
            altered=1,
            divided_patients=0,
            labels=(KnownLabel(path=path[4], image=2546, given="a", figshare="b", corrected=True),),
        ),
        "label_conflicts": (LabelConflict(paths=path[:2], labels=("a", "b"), exact=True),),
        "suspects": (Suspect(path=path[5], given="b", suggested="a", confidence=0.91, quality=0.02),),
        "shortcut": Shortcut(
            classes=("a", "b"),
            left_out=("c",),
            n=8,
            n_groups=4,
            n_folds=2,
            overall=told(0.9),
            families=families,
            one_vs_rest={"a": told(0.9)},
            intensity=told(0.5),
        ),
        "shortcut_missing": None,
    }


def test_the_page_needs_nothing_but_itself(data: Dataset) -> None:
    text = written(data, **full(data))
    reader = Reader(text)
    assert not reader.all("script") and not reader.all("link")
    sources = [attributes["src"] for attributes in reader.all("img")]
    assert sources and all(source and source.startswith("data:image/") for source in sources)
    assert all(link["href"] and link["href"].startswith("#") for link in reader.all("a"))
    assert "http" not in re.sub(r"http-equiv", "", text) and "url(" not in text


def test_links_lead_to_sections(data: Dataset) -> None:
    reader = Reader(written(data, **full(data)))
    anchors = {attributes["id"] for attributes in reader.all("section")}
    assert {str(link["href"])[1:] for link in reader.all("a")} == anchors


def test_readers_that_speak_find_their_way(data: Dataset) -> None:
    reader = Reader(written(data, **full(data)))
    levels = [int(tag[1]) for tag, _ in reader.elements if tag in ("h1", "h2", "h3")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("alt") for attributes in reader.all("img"))
    assert reader.all("th") and all(attributes.get("scope") in ("row", "col") for attributes in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table"))
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in reader.all("svg"))
    assert reader.all("html") == [{"lang": "en"}]


def test_every_column_has_a_header(data: Dataset) -> None:
    text = written(data, **full(data))
    for table in re.findall(r"<table>.*?</table>", text):
        head, *body = re.findall(r"<tr>.*?</tr>", table)
        assert {len(re.findall(r"<t[hd][ >]", row)) for row in body} == {len(re.findall("<th ", head))}


def luminance(colour: str) -> float:
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_text_stands_out_in_light_dark_and_print() -> None:
    themes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{[^}]*\}", STYLE)]
    assert len(themes) == 3
    for theme in themes:
        for ink in ("ink", "muted"):
            for ground in ("ground", "panel"):
                low, high = sorted(luminance(theme[name]) for name in (ink, ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground, theme)
        for mark in ("bar", "alarm"):
            low, high = sorted(luminance(theme[name]) for name in (mark, "ground"))
            assert (high + 0.05) / (low + 0.05) >= 3, (mark, theme)


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    name = "<script>alert('1')&amp;\".png"
    data = make(tmp_path / "<b>set", ["s0.png", name, "s2.png"])
    data = Dataset(replace(record, label=f"<i>{record.label}", source="<u>") for record in data)
    looks = looks_of(data)
    path = data_paths(data)
    suspects = (Suspect(path=path[1], given="<i>b", suggested="<i>a", confidence=0.9, quality=0.1),)
    text = written(
        data,
        looks,
        suspects=suspects,
        unreadable=((path[1], "<script>"),),
        exact_duplicates=Clusters(clusters=(path,)),
        sources={"<u>": 3},
        shortcut_missing="<script>",
    )
    reader = Reader(text)
    assert not {"script", "i", "u", "b"} & {tag for tag, _ in reader.elements}
    assert name in "".join(reader.texts)
    assert "Audit of <b>set" in reader.text and "<i>a" in reader.text


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="file names are text there")
def test_a_name_that_is_no_text_can_be_saved(tmp_path: Path) -> None:
    data = make(tmp_path, ["s0.png", os.fsdecode(b"caf\xe9.png")])
    text = written(data, exact_duplicates=Clusters(clusters=(data_paths(data),)))
    text.encode("utf-8")
    assert "caf?.png" in text
    assert len(list(pictures(text))) == 2 + 2


def test_names_are_those_below_the_common_folder(data: Dataset, tmp_path: Path) -> None:
    reader = Reader(written(data, **full(data)))
    assert str(tmp_path) not in reader.text
    assert "a/s0.png" in reader.text
    assert "Audit of set" in reader.text
    assert "b/s7.png is cut off" in reader.text


def test_what_is_known_of_a_slice_stands_below_it(data: Dataset) -> None:
    reader = Reader(written(data, **full(data)))
    for text in (
        "b/s5.png b, train suggested: a, 0.91 (label: 0.02)",
        "a/s4.png a, train came as a; figshare 2546 is b (corrected)",
        "group p2",
        "left & right (8)",
        "Left out, having too few: c",
        "0.80 (0.75–0.85)",
    ):
        assert text in reader.text


def test_the_verdict_is_the_worst_problem(data: Dataset) -> None:
    looks = looks_of(data)
    audit = audit_of(data, looks, **full(data))
    text = page(audit, data, looks)
    reader = Reader(text)
    assert (
        f"{len(audit.findings)} problems were found, the worst first: {audit.findings[0].sentence[:-1]}" in reader.text
    )
    assert "verdict alarm" in text
    places = [reader.text.index(finding.advice[1:]) for finding in audit.findings]
    assert places == sorted(places)


def test_a_clean_dataset_is_said_to_be_clean(tmp_path: Path) -> None:
    data = make(tmp_path, ["s0.png", "s1.png"])
    changes = {"n_groups": 2, "ungrouped": 0, "shortcut_missing": "there are too few slices."}
    looks = looks_of(data)
    audit = audit_of(data, looks, **changes)
    reader = Reader(page(audit, data, looks))
    assert audit.findings == ()
    assert "No problem was found in 2 slices." in reader.text
    assert "Not tested: there are too few slices." in reader.text
    assert "Not looked for: no model was asked" in reader.text
    assert "None: every file could be read" in reader.text


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    data = make(tmp_path, [f"s{k:03}.png" for k in range(2 * SLICES_SHOWN + 2)])
    path = data_paths(data)
    pairs = tuple((path[k], path[k + 1]) for k in range(0, len(path), 2))
    text = written(
        data,
        exact_duplicates=Clusters(clusters=pairs),
        near_duplicates=Clusters(clusters=(path,)),
        suspects=tuple(Suspect(path=one, given="a", suggested="b", confidence=0.9, quality=0.1) for one in path),
    )
    reader = Reader(text)
    assert f"{CLUSTERS_SHOWN} of {len(pairs)} clusters shown." in reader.text
    assert f"{len(path)} slices, {MEMBERS_SHOWN} of them shown" in reader.text
    assert f"{SLICES_SHOWN} of {len(path)} slices shown." in reader.text
    assert len(list(pictures(text))) == 2 + 2 * CLUSTERS_SHOWN + MEMBERS_SHOWN + SLICES_SHOWN


def boxes(text: str, title: str) -> list[list[str]]:
    """The names in each frame of the sheet below a heading."""
    sheet = re.search(rf"<h[23]>{re.escape(title)}</h[23]>(.*?)(?=<h[23]>|</section>)", text, re.S)
    assert sheet, title
    return [
        re.findall(r"<bdi>(.*?)</bdi>", box.replace("<wbr>", "")) for box in sheet[1].split('<div class="cluster">')[1:]
    ]


def test_leaks_are_shown_beside_the_slice_most_like_them(data: Dataset) -> None:
    looks, path = looks_of(data), data_paths(data)
    looks.rows["hash"][6] = looks.rows["hash"][2]
    looks.rows["hash"][6][0] ^= np.uint64(1)
    leak = PartLeak(part="test", other="train", n=2, slices=2, by_group=0, near=2, copies=1, groups=0)
    text = written(
        data,
        looks,
        splits={"train": {"a": 3, "b": 3}, "test": {"a": 1, "b": 1}},
        leaks=(leak,),
        exact_duplicates=Clusters(clusters=((path[5], path[7]),)),
        near_duplicates=Clusters(clusters=((path[0], path[1], path[2], path[6]), (path[4], path[5], path[7]))),
    )
    assert boxes(text, "Test and train: the same pixels") == [["b/s7.png", "b/s5.png"]]
    # s7 has been shown as a copy already
    assert boxes(text, "Test and train: alike") == [["a/s6.png", "a/s2.png"]]
    assert "2 of 2 test slices (100.0 %)" in Reader(text).text


def test_leaking_groups_are_shown_and_are_spread_over_all(tmp_path: Path) -> None:
    n = 3 * PAIRS_SHOWN
    known = {f"s{k:02}": {"split": "train" if k % 2 else "test", "group": f"p{k // 2}"} for k in range(2 * n)}
    data = make(tmp_path, [f"s{k:02}.png" for k in range(2 * n)], **known)
    leak = PartLeak(part="test", other="train", n=n, slices=n, by_group=n, near=0, copies=0, groups=n)
    text = written(data, splits={"train": {"b": n}, "test": {"a": n}}, leaks=(leak,))
    shown = boxes(text, "Test and train: the same patient or cluster")
    assert len(shown) == PAIRS_SHOWN
    assert shown[0] == ["a/s00.png", "b/s01.png"] and shown[-1] == [f"a/s{2 * n - 2}.png", f"b/s{2 * n - 1}.png"]
    assert f"{PAIRS_SHOWN} of {n} test slices shown." in text


def test_conflicts_show_what_contradicts_most_and_every_label(tmp_path: Path) -> None:
    data = make(tmp_path, [f"s{k:02}.png" for k in range(20)])
    path = data_paths(data)
    looks = looks_of(data)
    looks.rows["hash"][17] = looks.rows["hash"][12]
    labels = tuple("b" if k in (11, 17) else "a" for k in range(20))
    text = written(data, looks, label_conflicts=(LabelConflict(paths=path, labels=labels, exact=False),))
    (box,) = boxes(text, "Conflicting labels")
    # the two most alike come first, then the labels in turn
    assert box[:4] == ["a/s12.png", "b/s17.png", "a/s00.png", "b/s11.png"]
    assert len(box) == MEMBERS_SHOWN


def test_thumbnails_keep_their_shape_and_show_the_slice(tmp_path: Path) -> None:
    bright = np.zeros((60, 240), np.uint16)
    bright[:, 120:] = 40000
    (tmp_path / "a").mkdir()
    Image.fromarray(bright).save(tmp_path / "a" / "wide.png")
    data = Dataset([Record(tmp_path / "a" / "wide.png", "a")])
    text = written(data, exact_duplicates=Clusters(clusters=(data_paths(data),)))
    mean, thumbnail = pictures(text)
    assert mean.size == (128, 128) and thumbnail.size == (120, 30)
    assert np.asarray(thumbnail)[:, :50].max() < 10 and np.asarray(thumbnail)[:, 70:].min() > 245


def test_a_file_that_is_gone_gets_an_empty_frame(data: Dataset) -> None:
    looks, path = looks_of(data), data_paths(data)
    path[0].unlink()
    path[1].write_bytes(b"no picture")
    text = written(data, looks, exact_duplicates=Clusters(clusters=(path[:3],)))
    assert text.count("can no longer be read") == 2
    assert "3 of 4 slices" in Reader(text).text  # in the mean slices
    assert all(image.size for image in pictures(text))


def test_a_dataset_that_is_gone_still_gets_its_page(data: Dataset) -> None:
    looks = looks_of(data)
    shutil.rmtree(data_paths(data)[0].parents[1])
    assert not list(pictures(written(data, looks, **full(data))))


def test_a_class_without_readable_slices_is_no_obstacle(tmp_path: Path) -> None:
    data = make(tmp_path, ["s0.png", "s1.png"])
    looks = looks_of(data, s1="cut off")
    path = data_paths(data)
    text = written(
        data,
        looks,
        unreadable=((path[1], "cut off"),),
        sizes={"a": sizes(1)},
        intensity={"a": intensity(1)},
    )
    assert len(list(pictures(text))) == 1


def test_no_readable_slice_at_all_is_no_obstacle(tmp_path: Path) -> None:
    data = make(tmp_path, ["s0.png", "s1.png"])
    looks = looks_of(data, s0="cut off", s1="cut off")
    reader = Reader(written(data, looks, sizes={}, intensity={}))
    assert "No file could be read." in reader.text


def test_the_mean_slice_is_the_mean_of_at_most_two_hundred(tmp_path: Path) -> None:
    left, right = np.zeros((2, 32, 32), np.uint8)
    left[:, :16] = 255
    right[:, 16:] = 255
    for name, image in (("left", left), ("right", right)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "left.png", tmp_path / "right.png"]
    means = mean_slices({"both": paths, "many": paths * MEAN_OF, "none": []})
    assert {label: n for label, (_, n) in means.items()} == {"both": 2, "many": MEAN_OF}
    (mean,) = pictures(f'src="{mean_slices({"both": paths})["both"][0]}"')
    # half white each: the same everywhere, and as bright as any
    assert set(np.unique(np.asarray(mean))) == {255}


def test_mean_slices_are_comparable(tmp_path: Path) -> None:
    for name, rows in (("half", 16), ("quarter", 8)):
        image = np.zeros((32, 32), np.uint8)
        image[:rows] = 200
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    half, quarter = tmp_path / "half.png", tmp_path / "quarter.png"
    both, one = (
        np.asarray(mean)
        for mean in pictures(
            "".join(f'src="{uri}"' for uri, _ in mean_slices({"both": [half, quarter], "one": [half]}).values())
        )
    )
    assert one[:64].min() == 255 and one[64:].max() == 0
    assert both[:32].min() == 255 and 127 <= both[32:64].mean() <= 128


def test_the_same_audit_gives_the_same_page(data: Dataset) -> None:
    looks = looks_of(data)
    assert written(data, looks, **full(data)) == written(data, looks, **full(data))


def test_looks_may_be_of_more_files_and_in_another_order(data: Dataset) -> None:
    looks = looks_of(data)
    shuffled = looks.of(reversed(looks.paths))
    audit = audit_of(data, looks, **full(data))
    assert page(audit, data, shuffled) == page(audit, data, looks)


def test_drawings_stay_inside_their_frames() -> None:
    assert 'width="100.0"' in bar(7.0, "7", mark=-1, interval=(-2, 3))
    tall = histogram((0.9, 0.1), top=0.2, ends=("0", "1"), description="two bins")
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', tall)]
    assert heights[0] == pytest.approx(2 * heights[1])
    dots = scatter([(10, 20, 1.0), (5, 10, 0.01)], extent=(10, 20), description="two dots")
    assert len(re.findall("<circle", dots)) == 2
