"""souped: networks of one start become the network of their mean weights, calibrated anew."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from mriclassify import Bundle, Classifier, ClassMismatchError, Dataset, NetworkError, Preprocessing
from mriclassify._model._network import Network
from mriclassify._model._outputs import outputs_of
from mriclassify._training._souping import souped


@pytest.fixture(scope="module")
def other(fitted: Classifier, scaled: Callable[..., Bundle]) -> Bundle:
    """The same network, all of whose parameters are half as large."""
    return scaled(fitted.bundle, 0.5, name="other")


@pytest.fixture(scope="module")
def soup(other: Bundle, fitted: Classifier, parts: tuple[Dataset, Dataset]) -> Bundle:
    return souped([fitted.bundle, other], parts[0][::4], parts[1], augment=None)


def test_weights_are_the_mean_and_those_they_came_from_stay(soup: Bundle, other: Bundle, fitted: Classifier) -> None:
    assert isinstance(soup.network, Network)
    assert not soup.network.training
    own, halved = dict(fitted.bundle.network.named_parameters()), dict(other.network.named_parameters())
    for name, parameter in soup.network.named_parameters():
        torch.testing.assert_close(parameter, 0.75 * own[name])
        torch.testing.assert_close(halved[name], 0.5 * own[name])
    for name, value in soup.network.state_dict().items():
        if not value.is_floating_point():
            assert torch.equal(value, fitted.bundle.network.state_dict()[name]), name


def test_it_has_seen_what_each_has_seen(soup: Bundle, fitted: Classifier) -> None:
    assert set(soup.provenance.slices) == {1, 2} | set(fitted.bundle.provenance.slices.tolist())
    assert set(soup.provenance.groups) == {"known", *fitted.bundle.provenance.groups}


def test_it_is_calibrated_on_its_own_answers(soup: Bundle, fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    assert soup.familiarity is not None and soup.conformal is not None and soup.risk_coverage is not None
    found = outputs_of(soup, [record.path for record in parts[1]])
    assert soup.thresholds.unfamiliar_above == pytest.approx(soup.familiarity.distance(found.features).max())
    assert soup.temperature != fitted.bundle.temperature


def test_a_soup_of_one_answers_as_it_does(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    one = souped([fitted.bundle], parts[0][::4], parts[1], augment=None)
    paths = [record.path for record in parts[1]][:6]
    np.testing.assert_array_equal(
        outputs_of(one, paths).logits.numpy(), outputs_of(fitted.bundle, paths).logits.numpy()
    )


def test_what_has_no_mean_is_refused(fitted: Classifier, other: Bundle, parts: tuple[Dataset, Dataset]) -> None:
    renamed = other.with_changes(classes=tuple(f"{label}s" for label in other.classes))
    with pytest.raises(ClassMismatchError, match="must have the same classes"):
        souped([fitted.bundle, renamed], parts[0], parts[1], augment=None)
    framed = other.with_changes(preprocessing=Preprocessing(size=32))
    with pytest.raises(NetworkError, match="make an ensemble"):
        souped([fitted.bundle, framed], parts[0], parts[1], augment=None)
    small = copy.deepcopy(other.network)
    small.head = torch.nn.Linear(small.head.in_features, 9)  # type: ignore[union-attr]
    with pytest.raises(NetworkError, match="make an ensemble"):
        souped([fitted.bundle, other.with_changes(network=small)], parts[0], parts[1], augment=None)
