from pathlib import Path

import numpy as np
import pytest
import torch

from mriclassify import Dataset, MissingFileError, Preprocessing
from mriclassify._training._batches import Batch, Slices, augmented, image_batches, shuffled_batches


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize(("count", "batch_size", "world"), [(100, 8, 1), (100, 8, 3), (7, 8, 1), (16, 8, 2), (5, 4, 2)])
def test_slice_is_seen_at_most_once_an_epoch_by_all_processes_together(count: int, batch_size: int, world: int) -> None:
    ranks = [
        shuffled_batches(count, batch_size=batch_size, seed=0, epoch=0, rank=rank, world=world) for rank in range(world)
    ]
    seen = [index for batches in ranks for index in flat(batches)]
    assert len(seen) == len(set(seen)) > 0
    assert set(seen) <= set(range(count))
    assert len(seen) > count - batch_size * world


@pytest.mark.parametrize("count", [2, 3, 5, 7, 8, 9, 31, 32, 33])
@pytest.mark.parametrize("world", [1, 2])
def test_all_processes_have_as_many_batches(count: int, world: int) -> None:
    # With one batch more, a process would wait for the others for ever.
    counts = {
        len(shuffled_batches(count, batch_size=4, seed=0, epoch=0, rank=rank, world=world)) for rank in range(world)
    }
    assert len(counts) == 1
    assert counts.pop() >= 1


def test_batches_are_whole_unless_there_is_only_one() -> None:
    assert {len(batch) for batch in shuffled_batches(101, batch_size=8, seed=0, epoch=0)} == {8}
    assert [len(batch) for batch in shuffled_batches(5, batch_size=8, seed=0, epoch=0)] == [5]


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return flat(shuffled_batches(64, batch_size=8, seed=seed, epoch=epoch))

    first = order(0, 1)
    np.random.seed(5)
    torch.manual_seed(5)
    assert order(0, 1) == first
    # (0, 1) and (1, 0) have the same sum
    assert len({tuple(order(seed, epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]}) == 4


def test_every_slice_comes_up_over_the_epochs() -> None:
    seen = {index for epoch in range(20) for index in flat(shuffled_batches(21, batch_size=8, seed=0, epoch=epoch))}
    assert seen == set(range(21))


def slices(data: Dataset) -> Slices:
    return Slices(
        paths=[record.path for record in data],
        targets=np.arange(len(data)),
        preprocessing=Preprocessing(size=32),
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_images_and_targets_belong_to_the_indices_of_the_batch(phantoms: Dataset, workers: int) -> None:
    source = slices(phantoms)
    batches = [[5, 1], [0, 40, 7]]
    made = list(image_batches(source, batches, device=torch.device("cpu"), workers=workers))
    for indices, (images, targets) in zip(batches, made, strict=True):
        assert targets.tolist() == indices
        assert images.shape == (len(indices), 1, 32, 32)
        for image, index in zip(images, indices, strict=True):
            assert np.array_equal(image.numpy(), source.image(index))


def test_file_that_vanished_is_named(phantoms: Dataset, tmp_path: Path) -> None:
    source = Slices(
        paths=[phantoms[0].path, tmp_path / "gone.png"], targets=np.zeros(2, np.int64), preprocessing=Preprocessing()
    )
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        list(image_batches(source, [[0, 1]], device=torch.device("cpu"), workers=2))


def batch_of(images: torch.Tensor) -> Batch:
    count = len(images)
    return Batch(images, torch.zeros(count), torch.zeros(count, 1, 0, 0), torch.zeros(count, dtype=torch.bool))


def test_each_batch_is_augmented_with_a_generator_of_its_own() -> None:
    def noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return images + torch.rand(images.shape, generator=generator)

    batches = [batch_of(torch.zeros(2, 1, 4, 4)) for _ in range(3)]

    def drawn() -> list[torch.Tensor]:
        made = augmented(iter(batches), noise, generator=lambda number: torch.Generator().manual_seed(number))
        return [batch.images for batch in made]

    first, second, third = drawn()
    assert not torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(drawn(), (first, second, third), strict=True))


def test_without_augmentation_images_stay_as_they_are() -> None:
    images = torch.rand(2, 1, 4, 4)
    [same] = augmented(iter([batch_of(images)]), None, generator=lambda _: torch.Generator())
    assert torch.equal(same.images, images)
