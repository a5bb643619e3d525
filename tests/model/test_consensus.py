"""Consensus: the class head and the lesion map together say whether there is a tumour."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mriclassify import Bundle, Classifier, Dataset, OptionError, Preprocessing
from mriclassify._model._consensus import Consensus, highest_of
from mriclassify._model._folding import folded
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network
from mriclassify._model._outputs import outputs_of
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._training._calibrating import calibrated
from mriclassify._weights._checkpoint import load_bundle, save_bundle

CLASSES = ("glioma", "meningioma", "notumor")
HEALTHY = 2


def odds(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-odds of a tumour."""
    chance = logits.double().softmax(dim=1)[:, HEALTHY]
    return torch.log1p(-chance) - chance.log()


def witnesses(count: int = 400, *, head: float = 2.0, lesions: float = 2.0, seed: int = 0) -> tuple:
    """Return logits, highest map logits and targets; each tells tumour from none by so many standard deviations."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, count)
    tumour = np.where(targets == HEALTHY, -0.5, 0.5)
    logits = rng.normal(0, 0.3, (count, 3))
    logits[np.arange(count), targets] += 1
    logits[:, HEALTHY] = -(head * tumour + rng.normal(0, 1, count))
    highest = 3 * (lesions * tumour + rng.normal(0, 1, count)) + 4
    return torch.tensor(logits), torch.tensor(highest), targets


def test_the_log_odds_are_the_weighted_sum_and_the_kind_of_tumour_stays() -> None:
    logits, highest, _ = witnesses()
    agreed = Consensus(healthy=HEALTHY, head=0.6, lesion_map=0.25, shift=-0.3)(logits, highest)
    torch.testing.assert_close(odds(agreed), 0.6 * odds(logits) + 0.25 * highest - 0.3)
    assert torch.equal(agreed[:, :HEALTHY], logits[:, :HEALTHY])


def test_two_witnesses_know_more_than_either() -> None:
    logits, highest, targets = witnesses()
    consensus = Consensus.fit(logits, highest, targets, healthy=HEALTHY)
    assert consensus is not None
    later, later_highest, truth = witnesses(seed=1)
    tumour = truth != HEALTHY
    together = roc_auc_score(tumour, odds(consensus(later, later_highest)))
    assert together > roc_auc_score(tumour, odds(later)) + 0.02
    assert together > roc_auc_score(tumour, later_highest) + 0.02


def test_the_map_weighs_as_much_as_it_is_given() -> None:
    logits, highest, targets = witnesses()
    alone, half, whole = (
        Consensus.fit(logits, highest, targets, healthy=HEALTHY, share=share) for share in (0.0, 0.5, 1.0)
    )
    assert alone is not None and half is not None and whole is not None
    assert (alone.head, alone.lesion_map) == (1, 0)
    assert whole.head == 0
    assert half.lesion_map == pytest.approx(whole.lesion_map / 2)


def test_even_odds_are_where_half_of_the_slices_show_a_tumour() -> None:
    logits, highest, targets = witnesses(4000)
    logits[:, HEALTHY] -= 3  # a head that sees tumours everywhere
    consensus = Consensus.fit(logits, highest, targets, healthy=HEALTHY)
    assert consensus is not None
    near = odds(consensus(logits, highest)).abs() < 0.2
    assert (targets != HEALTHY)[near.numpy()].mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("map_tells", [-2.0, 0.0])
def test_a_map_that_knows_nothing_gets_no_say(map_tells: float) -> None:
    logits, highest, targets = witnesses(lesions=map_tells, seed=3)
    if not map_tells:
        highest = torch.zeros_like(highest)
    assert Consensus.fit(logits, highest, targets, healthy=HEALTHY) is None


def test_slices_of_one_side_teach_nothing() -> None:
    logits, highest, targets = witnesses()
    for side in (targets == HEALTHY, targets != HEALTHY):
        assert Consensus.fit(logits[side], highest[side], targets[side], healthy=HEALTHY) is None


def test_slices_without_a_mistake_make_nobody_infinitely_sure() -> None:
    logits, highest, targets = witnesses(40, head=50, lesions=50)
    consensus = Consensus.fit(logits, highest, targets, healthy=HEALTHY)
    assert consensus is not None
    assert abs(consensus.lesion_map) < 100
    assert odds(consensus(logits, highest)).isfinite().all()


@pytest.mark.parametrize(
    "values",
    [
        {"healthy": -1, "head": 1.0, "lesion_map": 0.0, "shift": 0.0},
        {"healthy": 0, "head": float("nan"), "lesion_map": 0.0, "shift": 0.0},
    ],
)
def test_impossible_numbers_are_refused(values: dict) -> None:
    with pytest.raises(OptionError, match="a consensus needs"):
        Consensus(**values)


def network(*, lesions: bool) -> Network:
    torch.manual_seed(0)
    return ready(Network(SmallCNN(), classes=4, channels=1, size=64, lesions=lesions), torch.device("cpu"))


@pytest.fixture
def bundle(fitted: Classifier) -> Bundle:
    return Bundle(
        name="small.test",
        backbone="small_cnn",
        classes=fitted.classes,
        network=network(lesions=True),
        preprocessing=Preprocessing(size=64),
    )


@pytest.fixture
def agreeing(bundle: Bundle) -> Bundle:
    healthy = bundle.classes.index("notumor")
    return bundle.with_changes(consensus=Consensus(healthy=healthy, head=0.5, lesion_map=2.0, shift=1.0))


def test_a_bundle_asks_both(bundle: Bundle, agreeing: Bundle) -> None:
    images = torch.rand(3, 1, 64, 64)
    raw = infer(folded(bundle.network), images)
    assert torch.equal(bundle.ask(images).logits, raw.logits)
    assert agreeing.consensus is not None and raw.lesions is not None
    torch.testing.assert_close(agreeing.ask(images).logits, agreeing.consensus(raw.logits, highest_of(raw.lesions)))


def test_every_way_of_asking_gives_the_same_answer(
    agreeing: Bundle, parts: tuple[Dataset, ...], tmp_path: Path
) -> None:
    save_bundle(agreeing, tmp_path / "x.safetensors")
    assert load_bundle(tmp_path / "x.safetensors").consensus == agreeing.consensus
    clf = Classifier.from_pretrained(tmp_path / "x.safetensors", device="cpu")
    paths = [record.path for record in parts[1]][:3]
    expected = agreeing.probabilities(outputs_of(agreeing, paths).logits)
    raw = agreeing.probabilities(outputs_of(agreeing.with_changes(consensus=None), paths).logits)
    assert np.abs(raw - expected).max() > 0.05
    for row, path in zip(expected, paths, strict=True):
        for answer in (clf.predict(path), clf.explain(path).prediction, clf.predict_study(path)):
            assert list(answer.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-4)
    assert clf.predict_proba(paths) == pytest.approx(expected, abs=1e-4)


def test_a_network_without_a_map_has_none_to_agree_with(bundle: Bundle) -> None:
    consensus = Consensus(healthy=2, head=0.5, lesion_map=1.0, shift=0.0)
    with pytest.raises(OptionError, match="no lesion map"):
        bundle.with_changes(network=network(lesions=False), consensus=consensus)
    with pytest.raises(OptionError, match="no class of index 4"):
        bundle.with_changes(consensus=Consensus(healthy=4, head=0.5, lesion_map=1.0, shift=0.0))


def test_calibration_forgets_the_consensus_that_was(
    agreeing: Bundle, bundle: Bundle, parts: tuple[Dataset, ...]
) -> None:
    first, again = (calibrated(found, parts[1], augment=None, seed=0) for found in (bundle, agreeing))
    assert first.consensus == again.consensus
    assert first.temperature == again.temperature
