"""ensembled: trained models become one, calibrated anew on slices that none was trained on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mriclassify import Bundle, Classifier, ClassMismatchError, Dataset, NetworkError, Preprocessing
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._outputs import outputs_of
from mriclassify._training._ensembling import ensembled
from mriclassify._weights._checkpoint import load_bundle, save_bundle


@pytest.fixture(scope="module")
def coarse(fitted: Classifier, scaled: Callable[..., Bundle]) -> Bundle:
    """Another model of the same classes, for smaller images."""
    return scaled(fitted.bundle, 0.9, name="coarse", preprocessing=Preprocessing(size=32))


@pytest.fixture(scope="module")
def together(coarse: Bundle, fitted: Classifier, parts: tuple[Dataset, Dataset]) -> Bundle:
    return ensembled([coarse, fitted.bundle], parts[0][::4], parts[1], augment=None)


def test_it_is_one_model_of_all(together: Bundle, coarse: Bundle, fitted: Classifier) -> None:
    assert isinstance(together.network, Ensemble)
    assert together.network.sizes == (32, 64)
    assert not together.network.training
    assert (together.classes, together.backbone) == (fitted.classes, "small_cnn+small_cnn")
    assert together.preprocessing == fitted.bundle.preprocessing, "that of the finest"
    assert set(together.provenance.slices) == {1, 2} | set(fitted.bundle.provenance.slices.tolist())
    assert set(together.provenance.groups) == {"known", *fitted.bundle.provenance.groups}


def test_it_is_calibrated_on_its_own_answers(together: Bundle, parts: tuple[Dataset, Dataset]) -> None:
    assert together.familiarity is not None
    assert len(together.familiarity.mean) == together.network.features
    assert together.conformal is not None
    assert together.risk_coverage is not None
    found = outputs_of(together, [record.path for record in parts[1]])
    distances = together.familiarity.distance(found.features)
    assert together.thresholds.unfamiliar_above == pytest.approx(distances.max())
    right = together.probabilities(found.logits).max(axis=1)
    assert together.risk_coverage.thresholds[0] == pytest.approx(min(1.0, right.max()), abs=1e-6)


def test_it_is_saved_and_loaded_with_all_of_it(
    together: Bundle, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    save_bundle(together, tmp_path / "both.safetensors", half=True)
    loaded = load_bundle(tmp_path / "both.safetensors")
    assert (loaded.thresholds, loaded.conformal) == (together.thresholds, together.conformal)
    assert loaded.familiarity is not None
    answer = Classifier.from_pretrained(tmp_path / "both.safetensors", device="cpu").predict(parts[1][0].path)
    (row,) = together.probabilities(outputs_of(together, [parts[1][0].path]).logits)
    assert list(answer.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-2)


def test_models_that_do_not_go_together_are_refused(
    together: Bundle, coarse: Bundle, fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    other = coarse.with_changes(classes=("a", "b", "c", "d"))
    with pytest.raises(ClassMismatchError, match="coarse: a, b, c, d"):
        ensembled([fitted.bundle, other], parts[0], parts[1], augment=None)
    with pytest.raises(NetworkError):
        ensembled([together, fitted.bundle], parts[0], parts[1], augment=None)
