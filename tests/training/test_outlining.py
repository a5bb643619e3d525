"""level_of: above which value the lesion map is lesion is the one that draws validation lesions best."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify import Bundle, Classifier, Dataset, DatasetError
from mriclassify._data._dataset import targets
from mriclassify._training import _outlining as room
from mriclassify._training._batches import Slices
from mriclassify._training._outlining import LEVELS, level_of, outlines_of
from mriclassify._training._trusting import with_trust

Fit: TypeAlias = Callable[..., Classifier]
Pair: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_]]


@pytest.fixture
def looking(fit: Fit, masked: tuple[Dataset, Dataset]) -> Bundle:
    """A network with a lesion head, and validation slices with masks that were too few for a level."""
    return fit(data=masked[0], validation=masked[1], epochs=1).bundle


def slices_of(bundle: Bundle, data: Dataset) -> Slices:
    return Slices(
        paths=[record.path for record in data],
        targets=targets(data, bundle.classes),
        preprocessing=bundle.preprocessing,
        masks=[record.mask for record in data],
    )


def cone(height: float, *, radius: float) -> Pair:
    """A map that falls from `height` in the middle, and a disc that it is right to draw there."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    distance = np.hypot(rows, columns)
    return np.clip(height * (1 - distance / 30), 0, 1).astype(np.float32), distance < radius


def yielding(pairs: list[Pair]) -> Callable[..., Iterator[Pair]]:
    return lambda bundle, slices: iter(pairs)


@pytest.mark.parametrize("radius", [6.0, 12.0, 18.0])
def test_the_level_is_where_the_map_has_the_size_of_the_lesions(
    looking: Bundle, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch, radius: float
) -> None:
    monkeypatch.setattr(room, "FEWEST", 2)
    monkeypatch.setattr(room, "outlines_of", yielding([cone(0.9, radius=radius)] * 2))
    level = level_of(looking, slices_of(looking, masked[1]))
    assert level == pytest.approx(0.9 * (1 - radius / 30), abs=0.03)


def test_each_lesion_counts_once_however_large(
    looking: Bundle, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def boxed(side: int, value: float) -> Pair:
        mask = np.zeros((64, 64), bool)
        mask[:side, :side] = True
        return np.where(mask, value, 0).astype(np.float32), mask

    monkeypatch.setattr(room, "FEWEST", 3)
    # Pixels alone would prefer a level that loses both small ones, were the large map to say .3 of its surroundings.
    large, mask = boxed(40, 0.8)
    large[~mask] = 0.3
    monkeypatch.setattr(room, "outlines_of", yielding([(large, mask), boxed(4, 0.25), boxed(4, 0.25)]))
    level = level_of(looking, slices_of(looking, masked[1]))
    assert level is not None
    assert level < 0.25


def test_empty_masks_have_no_say_and_too_few_or_unseen_lesions_give_no_level(
    looking: Bundle, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FEWEST", 2)
    nothing = (np.full((64, 64), 0.4, np.float32), np.zeros((64, 64), bool))
    monkeypatch.setattr(room, "outlines_of", yielding([cone(0.9, radius=12), nothing]))
    assert level_of(looking, slices_of(looking, masked[1])) is None
    dark = (np.zeros((64, 64), np.float32), cone(0.9, radius=12)[1])
    monkeypatch.setattr(room, "outlines_of", yielding([dark] * 9))
    assert level_of(looking, slices_of(looking, masked[1])) is None
    monkeypatch.setattr(room, "outlines_of", yielding([cone(0.9, radius=12)] * 2 + [nothing] * 9))
    assert level_of(looking, slices_of(looking, masked[1])) == pytest.approx(0.55)


def test_a_network_without_maps_has_no_level(
    fitted: Classifier, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FEWEST", 1)
    assert fitted.bundle.network.lesion_head is None
    given = slices_of(fitted.bundle, masked[1])
    assert level_of(fitted.bundle, given) is None
    with pytest.raises(ValueError, match="makes no lesion maps"):
        next(outlines_of(fitted.bundle, given))


def test_map_and_mask_lie_in_the_networks_frame(looking: Bundle, masked: tuple[Dataset, Dataset]) -> None:
    given = slices_of(looking, masked[1])
    found = list(outlines_of(looking, given))
    assert len(found) == len(given.outlined) > 0
    size = looking.preprocessing.size
    for index, (shown, mask) in zip(given.outlined, found, strict=True):
        lesion = given.sample(index).lesion
        assert lesion is not None
        assert np.array_equal(mask, lesion > 0.5)
        assert shown.shape == mask.shape == (size, size)
        assert 0 <= shown.min() < shown.max() <= 1


def test_fit_keeps_the_level_and_a_region_is_drawn_with_it(
    fit: Fit, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit(data=masked[0], validation=masked[1], epochs=1).thresholds.lesion_above == 0.5  # lesions are too few
    monkeypatch.setattr(room, "FEWEST", 1)
    clf = fit(data=masked[0], validation=masked[1], epochs=12)
    pairs = list(outlines_of(clf.bundle, slices_of(clf.bundle, masked[1])))
    overlaps = [np.mean([dice(shown > level, mask) for shown, mask in pairs]) for level in LEVELS]
    level = LEVELS[int(np.argmax(overlaps))]
    assert clf.thresholds.lesion_above == level
    assert min(overlaps) < max(overlaps)
    for path in (record.path for record in masked[1] if record.mask is not None):
        explained = clf.explain(path)
        assert explained.lesion_map is not None
        assert (explained.region is None) == (not (explained.lesion_map > level).any())
        assert explained.region is None or explained.region.threshold == level


def test_a_bad_mask_of_a_validation_slice_is_named(
    looking: Bundle, masked: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "FEWEST", 1)
    path = next(record.path for record in masked[1] if record.mask is not None)
    Image.fromarray(np.eye(7, dtype=np.uint8) * 255).save(tmp_path / "small.png")
    wrong = masked[1].with_masks({path: tmp_path / "small.png"})
    with pytest.raises(DatasetError, match=r"small\.png: the mask is 7x7 pixels"):
        with_trust(looking, masked[0], wrong, augment=None, seed=0)


def dice(said: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    return 2 * float((said & mask).sum()) / float(said.sum() + mask.sum())
