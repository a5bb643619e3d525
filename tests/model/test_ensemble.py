"""Ensemble: a mean of networks that does not mind left and right, and travels in one file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mriclassify import Bundle, CheckpointError, Classifier, Dataset, NetworkError, Preprocessing, TrainingError
from mriclassify._model._backbones import build_backbone
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network
from mriclassify._weights._checkpoint import load_bundle, save_bundle

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def network(seed: int, *, size: int = 32, classes: int = 4, lesions: bool = False) -> Network:
    """A network with random weights, and statistics of its batch normalisation that are none of a new one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(build_backbone("small_cnn", size=size), classes=classes, channels=1, size=size, lesions=lesions)
        made.train()
        made(torch.rand(8, 1, size, size))
    return made.eval()


def ensemble(*seeds: int, sizes: Sequence[int] | None = None, lesions: bool = False) -> Ensemble:
    sides = sizes or [32] * len(seeds)
    members = [network(seed, size=size, lesions=lesions) for seed, size in zip(seeds, sides, strict=True)]
    return ready(Ensemble(members, sides), torch.device("cpu"))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_a_mirror_image_gets_the_same_answer(images: torch.Tensor) -> None:
    model = ensemble(1, 2, sizes=(32, 48), lesions=True)
    here, there = infer(model, images), infer(model, images.flip(-1))
    torch.testing.assert_close(there.logits, here.logits)
    torch.testing.assert_close(there.features, here.features)
    single = model.first
    assert not torch.allclose(infer(single, images.flip(-1)).logits, infer(single, images).logits, atol=1e-3)


def test_lesions_are_where_they_are_and_mirrored_with_the_image(images: torch.Tensor) -> None:
    model = ensemble(1, 2, sizes=(32, 64), lesions=True)
    here, there = infer(model, images).lesions, infer(model, images.flip(-1)).lesions
    assert here is not None
    assert there is not None
    torch.testing.assert_close(there.flip(-1), here)
    assert not torch.allclose(there, here)
    finer = infer(network(2, size=64, lesions=True), torch.rand(3, 1, 64, 64)).lesions
    assert finer is not None
    assert here.shape == finer.shape
    assert infer(ensemble(1, 2), images).lesions is None


def test_the_answer_is_the_mean_of_the_members_over_both_views(images: torch.Tensor) -> None:
    model = ensemble(1, 2)
    views = [infer(member, view) for member in (network(1), network(2)) for view in (images, images.flip(-1))]
    found = infer(model, images)
    torch.testing.assert_close(found.logits, torch.stack([view.logits for view in views]).mean(dim=0))
    first = (views[0].features + views[1].features) / 2
    torch.testing.assert_close(found.features[:, : first.shape[1]], first)
    assert found.features.shape[1] == 2 * first.shape[1] == model.features


def test_the_order_of_the_members_changes_nothing_but_that_of_the_features(images: torch.Tensor) -> None:
    there, back = (infer(ensemble(*seeds, lesions=True), images) for seeds in ((1, 2), (2, 1)))
    torch.testing.assert_close(back.logits, there.logits)
    torch.testing.assert_close(back.lesions, there.lesions)
    half = there.features.shape[1] // 2
    torch.testing.assert_close(back.features.roll(half, dims=1), there.features)
    assert not torch.allclose(back.features, there.features)


def test_each_member_sees_the_size_that_it_was_trained_on(images: torch.Tensor) -> None:
    seen = []

    class Watched(nn.Module):
        def forward(self, shown: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(shown.shape[-2:]))
            return shown.mean(dim=(2, 3)).expand(-1, 2)

    members = [Network(Watched(), classes=2, channels=1, size=size) for size in (32, 48)]
    seen.clear()
    infer(ready(Ensemble(members, (32, 48)), torch.device("cpu")), images)
    assert seen == [(32, 32), (32, 32), (48, 48), (48, 48)]


def test_networks_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(NetworkError, match="a size for each network, not 0 for 0"):
        Ensemble([], [])
    with pytest.raises(NetworkError, match="a size for each network, not 1 for 2"):
        Ensemble([network(1), network(2)], [32])
    with pytest.raises(NetworkError, match="same classes"):
        Ensemble([network(1), network(2, classes=3)], [32, 32])
    with pytest.raises(NetworkError, match="look for lesions or none"):
        Ensemble([network(1), network(2, lesions=True)], [32, 32])


# In a file


def bundle(*, lesions: bool = False) -> Bundle:
    return Bundle(
        name="both",
        backbone="small_cnn+small_cnn",
        classes=CLASSES,
        network=ensemble(1, 2, sizes=(32, 48), lesions=lesions),
        preprocessing=Preprocessing(size=48),
    )


@pytest.mark.parametrize("lesions", [False, True])
def test_it_comes_back_from_its_file_and_answers_the_same(tmp_path: Path, lesions: bool) -> None:
    before = bundle(lesions=lesions)
    save_bundle(before, tmp_path / "both.safetensors")
    clf = Classifier.from_pretrained(tmp_path / "both.safetensors", device="cpu")
    assert isinstance(clf.bundle.network, Ensemble)
    assert clf.bundle.network.sizes == (32, 48)
    assert clf.bundle.backbone == before.backbone
    images = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    found, expected = infer(clf.bundle.network, images), infer(before.network, images)
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.features, expected.features)
    assert (found.lesions is None) == (not lesions)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 50), dtype=np.uint8)
    answer = clf.predict(pixels)
    assert clf.predict(np.ascontiguousarray(pixels[:, ::-1])).probabilities.keys() == answer.probabilities.keys()


def test_a_backbone_of_the_users_own_is_not_put_in_the_place_of_each(tmp_path: Path) -> None:
    save_bundle(bundle(), tmp_path / "both.safetensors")
    with pytest.raises(CheckpointError, match="several networks"):
        load_bundle(tmp_path / "both.safetensors", backbone=build_backbone("small_cnn", size=32))


def test_it_is_not_trained_further(tmp_path: Path, phantoms: Dataset) -> None:
    save_bundle(bundle(), tmp_path / "both.safetensors")
    clf = Classifier.from_pretrained(tmp_path / "both.safetensors", device="cpu")
    with pytest.raises(TrainingError, match="several networks that answer together"):
        clf.fit(phantoms)
