"""outputs_of: many files through the network give what each gives alone."""

from pathlib import Path

import pytest
import torch

from mriclassify import Classifier, Dataset, MissingFileError
from mriclassify._model._inference import infer
from mriclassify._model._outputs import outputs_of
from mriclassify._reading import read_slice


@pytest.fixture(scope="module")
def paths(phantoms: Dataset) -> list[Path]:
    return [record.path for record in phantoms][:5]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_many_files_are_as_one_by_one_and_in_order(fitted: Classifier, paths: list[Path], batch_size: int) -> None:
    bundle = fitted.bundle
    found = outputs_of(bundle, paths, batch_size=batch_size)
    alone = [infer(bundle.network, torch.from_numpy(bundle.image(read_slice(path)))[None]) for path in paths]
    torch.testing.assert_close(found.logits, torch.cat([one.logits for one in alone]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.features, torch.cat([one.features for one in alone]), atol=1e-4, rtol=1e-4)
    assert found.features.shape == (5, bundle.network.features)
    assert found.highest is None


def test_each_batch_is_changed_once_and_in_order(fitted: Classifier, paths: list[Path]) -> None:
    seen: list[int] = []

    def darker(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return images * 0

    found = outputs_of(fitted.bundle, paths, batch_size=2, change=darker)
    assert seen == [2, 2, 1]
    torch.testing.assert_close(found.logits, found.logits[:1].expand(5, -1))


def test_a_file_that_cannot_be_read_is_an_error(fitted: Classifier, paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="gone"):
        outputs_of(fitted.bundle, [*paths, tmp_path / "gone.png"])
