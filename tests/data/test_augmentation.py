"""Augmentation: drawn from the generator alone, applied by a pure function."""

import pytest
import torch

from mriclassify import Augmentation, OptionError
from mriclassify._data._augmentation import COARSEST, FINEST

NOTHING = dict.fromkeys(Augmentation.__dataclass_fields__, 0.0)


def images(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 1, 24, 24, generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_seed_gives_the_same_images_and_another_seed_others() -> None:
    augment = Augmentation()
    assert torch.equal(augment(images(), seeded(3)), augment(images(), seeded(3)))
    assert not torch.equal(augment(images(), seeded(3)), augment(images(), seeded(4)))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    Augmentation()(images(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_calling_is_drawing_and_applying() -> None:
    augment = Augmentation()
    parameters = augment.draw(4, seeded())
    assert torch.equal(augment(images(), seeded()), augment.apply(images(), parameters))


def test_no_strength_is_the_identity() -> None:
    torch.testing.assert_close(Augmentation(**NOTHING)(images(), seeded()), images(), atol=1e-5, rtol=0)


def test_a_certain_flip_mirrors_left_and_right() -> None:
    flipped = Augmentation(**(NOTHING | {"flip": 1.0}))(images(), seeded())
    torch.testing.assert_close(flipped, images().flip(-1), atol=1e-5, rtol=0)


def test_translation_brings_in_black() -> None:
    moved = Augmentation(**(NOTHING | {"translation": 0.5}))(torch.ones(16, 1, 24, 24), seeded())
    assert (moved < 1e-3).any()
    assert moved.max() <= 1 + 1e-5


@pytest.mark.parametrize("piece", ["rotation", "scale", "gamma", "contrast", "brightness", "bias", "noise"])
def test_each_piece_alone_changes_images(piece: str) -> None:
    changed = Augmentation(**(NOTHING | {piece: getattr(Augmentation(), piece)}))(images(), seeded())
    assert not torch.allclose(changed, images(), atol=1e-4)
    assert changed.min() >= 0
    assert changed.isfinite().all()


def test_air_stays_black_but_for_noise() -> None:
    assert (Augmentation(noise=0.0)(torch.zeros(8, 1, 24, 24), seeded()) < 1e-3).all()


COARSE = Augmentation(**(NOTHING | {"coarse": 1.0}))


def fine_energy(pictures: torch.Tensor) -> torch.Tensor:
    """Return for each image the part of its energy beyond half of the highest frequency, the mean aside."""
    spectrum = torch.fft.fft2(pictures[:, 0] - pictures.mean(dim=(1, 2, 3))[:, None, None]).abs() ** 2
    frequencies = torch.fft.fftfreq(pictures.shape[-1])
    fine = torch.hypot(frequencies[:, None], frequencies) > 0.25
    return (spectrum * fine).sum(dim=(1, 2)) / spectrum.sum(dim=(1, 2))


def test_a_coarser_grid_smooths_and_keeps_brightness() -> None:
    given = torch.rand(16, 1, 64, 64, generator=seeded(1))
    changed = COARSE(given, seeded())
    assert changed.shape == given.shape
    assert (fine_energy(changed) < 0.9 * fine_energy(given)).all()
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), given.mean(dim=(1, 2, 3)), atol=0.01, rtol=0)
    assert changed.min() >= 0


def test_the_coarser_the_grid_the_smoother_the_image() -> None:
    given = torch.rand(1, 1, 64, 64, generator=seeded(1))
    still = COARSE.draw(1, seeded())
    energy = [
        float(fine_energy(COARSE.apply(given, still._replace(side=torch.tensor([side])))))
        for side in (0.4, 0.6, 0.8, 1)
    ]
    assert energy == sorted(energy)
    assert energy[0] < 0.3 * energy[-1]


def test_a_coarser_grid_moves_nothing() -> None:
    rows, columns = torch.meshgrid(*(torch.arange(64.0),) * 2, indexing="ij")
    blob = torch.exp(-((rows - 20) ** 2 + (columns - 41) ** 2) / 72)[None, None]
    for seed in range(5):
        changed = COARSE(blob, seeded(seed))[0, 0]
        middle = [float((changed * places).sum() / changed.sum()) for places in (rows, columns)]
        assert middle == pytest.approx([20, 41], abs=0.1)


def test_images_are_taken_on_a_coarser_grid_as_often_as_asked() -> None:
    sides = Augmentation(coarse=0.3).draw(2000, seeded()).side
    assert float((sides < 1).float().mean()) == pytest.approx(0.3, abs=0.04)
    assert COARSEST <= float(sides.min()) < COARSEST + 0.05
    assert FINEST - 0.05 < float(sides[sides < 1].max()) <= FINEST
    assert (Augmentation(coarse=0).draw(100, seeded()).side == 1).all()
    given = images()
    torch.testing.assert_close(Augmentation(**NOTHING)(given, seeded()), given, atol=1e-5, rtol=0)


def test_a_batch_on_coarser_grids_is_its_images_one_by_one() -> None:
    given = torch.rand(6, 1, 48, 48, generator=seeded(1))
    half = Augmentation(**(NOTHING | {"coarse": 0.6}))
    parameters = half.draw(6, seeded())
    assert 1 in parameters.side and (parameters.side < 1).any()
    together = half.apply(given, parameters)
    for number in range(6):
        row = parameters._replace(
            **{key: getattr(parameters, key)[number : number + 1] for key in parameters._fields[:-1]}
        )
        alone = half.apply(given[number : number + 1], row)
        torch.testing.assert_close(together[number : number + 1], alone, atol=1e-6, rtol=1e-5)


def test_images_of_a_few_pixels_stay_as_they_are() -> None:
    given = torch.rand(3, 1, 8, 8, generator=seeded(1))
    torch.testing.assert_close(COARSE(given, seeded()), given, atol=1e-5, rtol=0)


def test_images_of_a_batch_are_changed_differently() -> None:
    same = images(1).expand(4, -1, -1, -1)
    changed = Augmentation()(same, seeded())
    assert len({image.sum().item() for image in changed}) == 4


@pytest.mark.parametrize(
    "wrong", [{"flip": 1.1}, {"noise": -0.1}, {"translation": 0.6}, {"scale": 1.0}, {"coarse": 1.1}]
)
def test_strengths_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Augmentation(**wrong)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_strengths_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(OptionError, match="rotation"):
        Augmentation(rotation=value)


def test_each_image_is_changed_by_its_own_row_of_parameters() -> None:
    augment = Augmentation(noise=0.0)
    parameters = augment.draw(4, seeded())
    order = torch.tensor([2, 0, 3, 1])
    permuted = parameters._replace(**{key: getattr(parameters, key)[order] for key in parameters._fields[:-1]})
    torch.testing.assert_close(
        augment.apply(images()[order], permuted), augment.apply(images(), parameters)[order], atol=1e-6, rtol=1e-5
    )


def test_applying_leaves_its_input_alone() -> None:
    before = images()
    given = before.clone()
    Augmentation()(given, seeded())
    assert torch.equal(given, before)


def test_all_channels_of_an_image_move_together() -> None:
    moved = Augmentation(noise=0.0)(images().expand(-1, 3, -1, -1), seeded())
    torch.testing.assert_close(moved[:, 0], moved[:, 2])
