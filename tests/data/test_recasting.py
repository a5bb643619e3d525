"""Recasting: tissues change places, lesions stay in theirs, and what is no brain stays as it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, draw_recast, recast
from mriclassify._data._recasting import TISSUES, RecastParameters

SIZE = 160
T2 = RecastParameters(
    tissues=(1.0, 1.0, 0.5, 0.4, 0.3, 0.3), outside=1.0, lesion=0.9, texture=0.0, oedema=0.0, swollen=0.7
)
NOWHERE = np.zeros((SIZE, SIZE), bool)


def distance(row: float = 0.0, column: float = 0.0, *, tall: float = 1.0) -> NDArray[np.float64]:
    """Return how far pixels are from a place, as parts of the side; rows count 1 / `tall`."""
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    return np.hypot((rows - row) / tall, columns - column)


FLUID = distance(column=0.06, tall=2.5) < 0.03
BRAIN = (distance(tall=1.2) < 0.29) & (distance(column=0.06, tall=2.5) > 0.06)
BONE = (distance(tall=1.2) > 0.33) & (distance(tall=1.2) < 0.36)
SCALP = (distance(tall=1.2) > 0.39) & (distance(tall=1.2) < 0.4)
AIR = distance(tall=1.2) > 0.43
LESION = distance(row=0.05, column=-0.12) < 0.06


def head(*, skull: float = 0.07) -> NDArray[np.float32]:
    """A brain of 0.45, ventricles of 0.15, a dark skull as thick as asked, and a bright scalp, as on T1."""
    away = distance(tall=1.2)
    image = np.select([away < 0.31, away < 0.31 + skull, away < 0.41], [0.45, 0.02, 0.95], 0.0)
    image[FLUID] = 0.15
    return image.astype(np.float32)


def test_fluid_becomes_bright_and_bone_and_air_stay_dark() -> None:
    image = head()
    given = image.copy()
    made = recast(image, NOWHERE, T2)
    assert made is not None and made.dtype == np.float32
    assert made[FLUID].mean() > 1.8 * made[BRAIN].mean() > 0.5
    assert made[BONE].max() < 0.2
    assert not made[AIR].any()
    # Skin is as bright beside bone as it was.
    assert made[SCALP].mean() > 10 * made[BONE].mean()
    np.testing.assert_array_equal(image, given)


@pytest.mark.parametrize("level", [0.3, 0.45, 0.9])
def test_a_lesion_is_as_bright_as_drawn_whatever_it_was(level: float) -> None:
    results = []
    for before in (0.2, 0.45, 1.4):
        image = np.where(LESION, np.float32(before), head())
        made = recast(image, LESION, T2._replace(lesion=level))
        assert made is not None
        results.append(made)
    inside = distance(row=0.05, column=-0.12) < 0.04
    for made in results:
        # Brain is grey and white matter in equal parts: 0.46.
        assert made[inside].mean() / made[BRAIN & ~LESION].mean() == pytest.approx(level / 0.46, rel=0.08)


def test_a_rim_of_contrast_agent_is_evened_out_or_turned_round() -> None:
    middle = distance(row=0.05, column=-0.12) < 0.03
    rim = LESION & ~middle & (distance(row=0.05, column=-0.12) < 0.05)
    image = np.select([middle, LESION], [0.2, 1.2], head()).astype(np.float32)
    differences = []
    for texture in (-0.5, 0.0, 0.5):
        made = recast(image, LESION, T2._replace(texture=texture))
        assert made is not None
        differences.append(float(made[rim].mean() - made[middle].mean()))
    assert differences[0] < -0.2 and abs(differences[1]) < 0.05 and differences[2] > 0.2


def test_oedema_lies_around_the_lesion_and_within_the_brain() -> None:
    image = np.where(LESION, np.float32(1.2), head())
    without, swollen = (recast(image, LESION, T2._replace(oedema=width)) for width in (0.0, 0.06))
    assert without is not None and swollen is not None
    away = distance(row=0.05, column=-0.12)
    near, far = (away > 0.07) & (away < 0.09) & BRAIN, (away > 0.14) & BRAIN
    assert swollen[near].mean() > 1.2 * without[near].mean()
    np.testing.assert_allclose(swollen[far], without[far], atol=0.02)
    np.testing.assert_allclose(swollen[BONE], without[BONE], atol=0.02)


def test_where_the_brain_cannot_be_told_the_deep_part_of_the_head_is_taken() -> None:
    image = head(skull=0.0)
    made = recast(image, NOWHERE, T2)
    assert made is not None
    assert made[FLUID].mean() > 1.5 * made[distance(row=-0.1, column=-0.1) < 0.1].mean()
    # As bright, beside each other, as they were.
    outside = distance(tall=1.2) > 0.395
    kept = made[outside & (image > 0)]
    assert kept.max() / kept.min() == pytest.approx(1, abs=0.02)


def test_a_slice_without_a_head_is_left() -> None:
    assert recast(np.zeros((SIZE, SIZE), np.float32), NOWHERE, T2) is None


def test_parameters_are_drawn_from_the_generator() -> None:
    assert draw_recast(np.random.default_rng(3)) == draw_recast(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    drawn = [draw_recast(rng) for _ in range(400)]
    assert all(len(one.tissues) == len(TISSUES) and 0 <= min(one.tissues) <= max(one.tissues) <= 1.1 for one in drawn)
    assert all(-0.8 <= one.texture <= 0.8 and 0 <= one.oedema <= 0.07 and 0.1 <= one.lesion <= 1.2 for one in drawn)
    fluids, greys = np.array([(one.tissues[0], one.tissues[2]) for one in drawn]).T
    # As on T2, as on FLAIR and T1; and about half of the lesions have oedema.
    assert (fluids > greys).mean() > 0.3 and (fluids < greys).mean() > 0.5
    assert 0.4 < np.mean([one.oedema > 0 for one in drawn]) < 0.6
    # Brighter than grey matter on T2 and FLAIR, but for a fifth of the lesions; darker on T1.
    assert 0.5 < np.mean([one.lesion > one.tissues[2] for one in drawn]) < 0.8


def test_shapes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(160, 160\) and \(96, 96\)"):
        recast(head(), np.zeros((96, 96), bool), T2)
