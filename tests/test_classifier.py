"""The verbs of a classifier, from a file to an answer and back."""

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from torch import nn

from mriclassify import (
    AppearanceLimits,
    CalibrationError,
    CheckpointError,
    Classifier,
    ClassMismatchError,
    Dataset,
    DatasetError,
    DeviceError,
    MissingFileError,
    NetworkError,
    NotFittedError,
    OptionError,
    OutputError,
    Prediction,
    Preprocessing,
    ReadError,
    Record,
    Thresholds,
    TrainingOptions,
    UnknownWeightsError,
)
from mriclassify._trust._conformal import Conformal

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
TINY = TrainingOptions(epochs=1, batch_size=8, precision="fp32")


@pytest.fixture(scope="module")
def scans(phantom_folder: Path) -> list[Path]:
    """A slice of each class, in the order of the classes."""
    return [sorted((phantom_folder / label).iterdir())[0] for label in CLASSES]


def untrained(backbone: str | nn.Module = "small_cnn", **options: object) -> Classifier:
    return Classifier(backbone, preprocessing=Preprocessing(size=32), device="cpu", **options)  # type: ignore[arg-type]


# predict


def test_answer_is_complete(fitted: Classifier, scans: list[Path]) -> None:
    answer = fitted.predict(scans[2])
    assert answer.label == "notumor" == max(answer.probabilities, key=answer.probabilities.__getitem__)
    assert answer.confidence == answer.probabilities["notumor"]
    assert tuple(answer.probabilities) == CLASSES == fitted.classes
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert (answer.source, answer.device, answer.model) == (str(scans[2]), "cpu", "small_cnn.fitted")
    assert json.loads(answer.to_json()) == answer.to_dict()


def test_path_array_picture_tensor_bytes_and_stream_get_the_same_answer(fitted: Classifier, scans: list[Path]) -> None:
    path = scans[0]
    with Image.open(path) as picture:
        picture.load()
    pixels = np.asarray(picture)
    forms = {
        "path": path,
        "text": str(path),
        "bytes": path.read_bytes(),
        "stream": io.BytesIO(path.read_bytes()),
        "picture": picture,
        "array": pixels,
        "16 bits": pixels.astype(np.uint16) * 16,
        "floats": pixels / 255 - 3,
        "colour": np.stack([pixels] * 3, axis=-1),
        "tensor": torch.tensor(pixels),
        "channel first": torch.tensor(pixels)[None].float(),
    }
    for form, source in forms.items():
        assert fitted.predict_proba([source]) == pytest.approx(fitted.predict_proba([path]), abs=1e-4), form
        assert fitted.predict(source).label == "glioma", form


def test_asking_changes_nothing(fitted: Classifier, scans: list[Path]) -> None:
    pixels = np.array(Image.open(scans[0]), dtype=np.float32)
    kept, state = pixels.copy(), torch.get_rng_state()
    weights = {key: value.clone() for key, value in fitted.bundle.network.state_dict().items()}
    assert fitted.predict(pixels) == fitted.predict(pixels)
    assert np.array_equal(pixels, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[key]) for key, value in fitted.bundle.network.state_dict().items())
    assert not fitted.bundle.network.training


def test_many_is_one_by_one_whatever_the_batches_and_threads(fitted: Classifier, phantoms: Dataset) -> None:
    paths = [record.path for record in phantoms][:20]
    one_by_one = [fitted.predict(path) for path in paths]
    for batch_size, workers in [(1, 1), (3, 2), (20, 1), (64, None)]:
        many = list(fitted.predict_many(paths, batch_size=batch_size, workers=workers))
        assert [answer.source for answer in many] == [str(path) for path in paths]
        for answer, alone in zip(many, one_by_one, strict=True):
            assert answer.label == alone.label
            assert list(answer.probabilities.values()) == pytest.approx(list(alone.probabilities.values()), abs=1e-4)


def test_bad_sources_are_recorded_in_their_places(fitted: Classifier, scans: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    sources = [tmp_path / "gone.png", scans[0], tmp_path / "notes.jpg", np.zeros((4, 4)), scans[1]]
    answers = list(fitted.predict_many(sources, batch_size=2))
    assert [answer.status == "error" for answer in answers] == [True, False, True, True, False]
    bad = answers[0]
    assert (bad.label, bad.confidence, bad.probabilities) == (None, None, {})
    assert "gone.png" in bad.reasons[0]
    assert str(bad) == f"{tmp_path / 'gone.png'}: error · {bad.reasons[0]}"
    assert json.loads(bad.to_json())["label"] is None


def test_only_bad_sources_are_all_recorded(fitted: Classifier, tmp_path: Path) -> None:
    answers = list(fitted.predict_many([tmp_path / f"{number}.png" for number in range(5)], batch_size=2))
    assert [answer.status for answer in answers] == ["error"] * 5


def test_raise_stops_at_the_bad_source_after_the_good_ones(fitted: Classifier, scans: list[Path]) -> None:
    answers = fitted.predict_many([scans[0], "gone.png", scans[1]], batch_size=1, on_error="raise")
    assert next(answers).label == "glioma"
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        next(answers)


def test_sources_are_taken_as_they_are_needed(fitted: Classifier, scans: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for path in itertools.cycle(scans):
            taken += 1
            yield path

    answers = fitted.predict_many(endless(), batch_size=2, workers=2)
    assert taken == 0
    labels = [answer.label for answer in itertools.islice(answers, 8)]
    assert labels == [*CLASSES, *CLASSES]
    assert taken <= 8 + 2 * (2 + 1)
    answers.close()  # type: ignore[attr-defined]


def test_threads_of_torch_are_as_before_afterwards(fitted: Classifier, scans: list[Path]) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        list(fitted.predict_many(scans * 2, batch_size=2))
        stopped = fitted.predict_many(itertools.cycle(scans), batch_size=2)
        next(stopped)
        stopped.close()  # type: ignore[attr-defined]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_folder_is_walked_in_natural_order(fitted: Classifier, phantom_folder: Path) -> None:
    answers = list(fitted.predict_many(phantom_folder / "glioma"))
    assert [Path(answer.source).name for answer in answers] == [f"p0{k // 2}_{k % 2}.png" for k in range(12)]
    assert len(list(fitted.predict_many(str(phantom_folder)))) == 48


def test_folder_without_scans_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="There is no scan"):
        next(fitted.predict_many(tmp_path))


def test_one_path_is_one_source(fitted: Classifier, scans: list[Path]) -> None:
    assert [answer.source for answer in fitted.predict_many(str(scans[0]))] == [str(scans[0])]


def test_slice_of_a_volume_is_asked_for_and_missing_ones_are_recorded(fitted: Classifier, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, depth in [("thick", 40), ("thin", 20)]:
        volume = rng.uniform(0, 100, (32, 32, depth)).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / f"{name}.nii.gz")
    paths = [tmp_path / "thick.nii.gz", tmp_path / "thin.nii.gz"]
    [deep] = fitted.predict_many(paths[:1], index=30)
    assert deep == fitted.predict(paths[0], index=30)
    assert deep != fitted.predict(paths[0])
    assert next(fitted.predict_many(paths[:1], axis=0)) == fitted.predict(paths[0], axis=0)
    answers = list(fitted.predict_many(paths, index=30))
    assert [answer.status == "error" for answer in answers] == [False, True]
    assert "0..19" in answers[1].reasons[0]
    with pytest.raises(OptionError, match=r"0\.\.19"):
        list(fitted.predict_many(paths, index=30, on_error="raise"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"workers": 0},
        {"on_error": "skip"},
        {"axis": 3},
        {"index": -1},
        {"index": 1.5},
    ],
)
def test_argument_out_of_range_is_refused_before_anything_is_read(
    fitted: Classifier, arguments: dict[str, object]
) -> None:
    with pytest.raises(OptionError, match=next(iter(arguments))):
        fitted.predict_many(iter([]), **arguments)  # type: ignore[arg-type]


def test_probabilities_have_a_row_for_each_source_and_a_column_for_each_class(
    fitted: Classifier, scans: list[Path]
) -> None:
    table = fitted.predict_proba(scans)
    assert (table.shape, table.dtype) == ((4, 4), np.float64)
    assert table.sum(axis=1) == pytest.approx(np.ones(4))
    assert [CLASSES[best] for best in table.argmax(axis=1)] == list(CLASSES)
    assert fitted.predict_proba([]).shape == (0, 4)
    with pytest.raises(MissingFileError):
        fitted.predict_proba([*scans, "gone.png"])


# when not to trust an answer


@pytest.fixture
def copied(fitted: Classifier) -> Classifier:
    """The fitted classifier under another object, whose bundle may be changed."""
    clf = Classifier("small_cnn", device="cpu")
    clf._take(fitted.bundle)
    return clf


NOISE = np.random.default_rng(0).integers(0, 255, (80, 80), dtype=np.uint8)


def test_what_is_no_brain_slice_is_rejected_but_answered(copied: Classifier, scans: list[Path]) -> None:
    before = copied.predict(NOISE)
    copied.thresholds = Thresholds(uncertain_below=1, appearance=AppearanceLimits(median_above=1))
    answer, good = copied.predict_many([NOISE, scans[0]])
    assert answer.status == "rejected", "rather than uncertain, which it is as well"
    assert any("It is noise" in reason for reason in answer.reasons)
    assert "confidence" in answer.reasons[-1]
    assert answer.label == before.label
    assert answer.probabilities == pytest.approx(before.probabilities, abs=1e-4)
    assert good.status == "uncertain"
    assert copied.predict_proba([NOISE]).sum() == pytest.approx(1)


def test_thresholds_are_set_and_saved(copied: Classifier, scans: list[Path], tmp_path: Path) -> None:
    given = Thresholds(uncertain_below=0.25, unfamiliar_above=0, appearance=None)
    copied.thresholds = given
    assert copied.thresholds == given
    answer = copied.predict(scans[0])
    assert (answer.status, len(answer.reasons)) == ("rejected", 1)
    assert "unlike the slices that the model was trained on" in answer.reasons[0]
    copied.save(tmp_path / "model.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    assert loaded.thresholds == given
    assert loaded.predict(scans[0]).reasons == answer.reasons


def test_a_threshold_that_the_weights_do_not_support_is_refused(copied: Classifier) -> None:
    copied._bundle = copied.bundle.with_changes(familiarity=None)
    before = copied.thresholds
    with pytest.raises(CalibrationError, match="unfamiliar_above"):
        copied.thresholds = Thresholds(unfamiliar_above=3)
    assert copied.thresholds == before


def test_a_prediction_set_holds_the_plausible_classes_the_most_probable_first(
    copied: Classifier, scans: list[Path]
) -> None:
    # At a coverage of 0.5, a class is in the set from its score of 0.2 on; the last one never is.
    copied._bundle = copied.bundle.with_changes(
        conformal=Conformal(true=((0.2,), (0.001,), (0.0,), (1.0,)), sizes=((1,),) * 4)
    )
    found = copied.prediction_set(scans[0], coverage=0.5)
    answer = copied.predict(scans[0])
    assert (found.source, found.coverage, found.prediction) == (answer.source, 0.5, answer)
    limits = dict(zip(CLASSES, (0.2, 0.001, 0.0, 1.0), strict=True))
    ranked = sorted(answer.probabilities, key=lambda label: -answer.probabilities[label])
    assert list(found.labels) == [label for label in ranked if answer.probabilities[label] >= limits[label]]
    assert found.labels[0] == "glioma"
    assert "notumor" in found.labels
    # One slice of each class is too few for more: then every class is plausible.
    assert set(copied.prediction_set(scans[0]).labels) == set(CLASSES)


def test_more_coverage_leaves_no_class_out(fitted: Classifier, scans: list[Path]) -> None:
    sets = [set(fitted.prediction_set(scans[1], coverage=coverage).labels) for coverage in (0.1, 0.5, 0.7, 0.99)]
    assert all(small <= large for small, large in itertools.pairwise(sets))
    assert sets[-1] == set(CLASSES)


def test_prediction_sets_come_as_they_are_needed_in_order_and_bad_files_are_recorded(
    fitted: Classifier, scans: list[Path]
) -> None:
    def endless() -> Iterator[Path | str]:
        while True:
            yield from (scans[0], "gone.png", scans[1])

    found = list(itertools.islice(fitted.prediction_sets(endless(), batch_size=2, coverage=0.5), 6))
    assert [one.source for one in found] == [str(scans[0]), "gone.png", str(scans[1])] * 2
    assert [one.prediction.status == "error" for one in found] == [False, True, False] * 2
    assert found[1].labels == ()
    assert found[0].labels == fitted.prediction_set(scans[0], coverage=0.5).labels
    with pytest.raises(MissingFileError):
        list(fitted.prediction_sets(["gone.png"], on_error="raise"))
    assert list(fitted.prediction_sets([])) == []


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, float("nan")])
def test_coverage_out_of_range_is_refused_before_anything_is_read(fitted: Classifier, coverage: float) -> None:
    def never() -> Iterator[Path]:
        raise AssertionError("a source was asked for")
        yield

    with pytest.raises(OptionError, match="coverage"):
        fitted.prediction_set("gone.png", coverage=coverage)
    with pytest.raises(OptionError, match="coverage"):
        fitted.prediction_sets(never(), coverage=coverage)


def test_without_scores_there_are_no_prediction_sets(copied: Classifier, scans: list[Path]) -> None:
    copied._bundle = copied.bundle.with_changes(conformal=None)
    for ask in (lambda: copied.prediction_set(scans[0]), lambda: copied.prediction_sets(scans)):
        with pytest.raises(CalibrationError, match=r"no conformal scores.*recalibrate\(\)"):
            ask()


def test_recalibration_changes_how_sure_answers_are_and_is_saved(
    copied: Classifier, fitted: Classifier, phantoms: Dataset, scans: list[Path], tmp_path: Path
) -> None:
    before, network = copied.predict(scans[0]), copied.bundle.network
    site = copied.recalibrate(phantoms, seed=1)
    assert copied.bundle.network is network
    assert copied.predict(scans[0]).probabilities != pytest.approx(before.probabilities, abs=1e-3)
    assert (copied.bundle.temperature.value, copied.bundle.offsets) == (site.temperature, tuple(site.offsets.values()))
    assert copied.thresholds == replace(fitted.thresholds, uncertain_below=site.uncertain_below)
    assert "48 slices" in str(site)
    copied.save(tmp_path / "site.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "site.safetensors", device="cpu")
    assert loaded.predict(scans[0]).probabilities == copied.predict(scans[0]).probabilities
    assert loaded.prediction_set(scans[1], coverage=0.8).labels == copied.prediction_set(scans[1], coverage=0.8).labels
    assert fitted.predict(scans[0]) == before


def test_recalibration_that_fails_leaves_the_classifier_as_it_was(copied: Classifier, phantoms: Dataset) -> None:
    bundle = copied.bundle
    with pytest.raises(ClassMismatchError, match="there is none of pituitary"):
        copied.recalibrate(phantoms.filter(lambda record: record.label != "pituitary"))
    with pytest.raises(OptionError, match="batch_size"):
        copied.recalibrate(phantoms, batch_size=0)
    assert copied.bundle is bundle


# before training, and wrong arguments


def test_untrained_classifier_says_what_to_do(
    parts: tuple[Dataset, Dataset], scans: list[Path], tmp_path: Path
) -> None:
    clf = untrained()
    for ask in (
        lambda: clf.predict(scans[0]),
        lambda: clf.predict_many(scans),
        lambda: clf.predict_proba(scans),
        lambda: clf.evaluate(parts[1]),
        lambda: clf.save(tmp_path / "model.safetensors"),
        lambda: clf.classes,
        lambda: clf.thresholds,
        lambda: setattr(clf, "thresholds", Thresholds()),
        lambda: clf.prediction_set(scans[0]),
        lambda: clf.prediction_sets(scans),
        lambda: clf.recalibrate(parts[1]),
    ):
        with pytest.raises(NotFittedError, match=r"call fit\(\), or use Classifier\.from_pretrained\(\)"):
            ask()
    assert issubclass(NotFittedError, RuntimeError)
    assert clf.history is None
    assert repr(clf) == "Classifier(small_cnn, untrained, cpu)"
    assert not list(tmp_path.iterdir())


def test_unknown_backbone_is_refused_and_the_names_are_listed() -> None:
    with pytest.raises(OptionError, match=r"'resnet19'; there are: .*resnet18.*small_cnn"):
        Classifier("resnet19")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", ""])
def test_device_that_is_not_there_is_refused_and_those_there_are_named(device: str) -> None:
    with pytest.raises(DeviceError, match=r"does not exist here: choose auto or one of .*cpu") as caught:
        Classifier("small_cnn", device=device)
    assert isinstance(caught.value, ValueError)


# precision


def test_bf16_moves_probabilities_a_little_and_is_no_part_of_the_file(
    fitted: Classifier, scans: list[Path], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model.safetensors")
    exact = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    halved = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu", precision="bf16")
    assert (exact.precision, halved.precision) == ("fp32", "bf16")
    moved = np.abs(halved.predict_proba(scans) - exact.predict_proba(scans)).max()
    assert 0 < moved < 0.05
    halved.save(tmp_path / "again.safetensors")
    assert Classifier.from_pretrained(tmp_path / "again.safetensors", device="cpu").precision == "fp32"
    halved.precision = "fp32"
    np.testing.assert_array_equal(halved.predict_proba(scans), exact.predict_proba(scans))


def test_precision_stays_when_a_classifier_is_fitted(parts: tuple[Dataset, Dataset]) -> None:
    clf = untrained(precision="bf16").fit(parts[0], validation=parts[1], options=TINY)
    assert clf.precision == clf.bundle.precision == "bf16"


@pytest.mark.parametrize("precision", ["fp8", "", None, 16])
def test_precision_that_does_not_exist_is_refused_and_changes_nothing(fitted: Classifier, precision: object) -> None:
    with pytest.raises(OptionError, match="precision must be one of fp32, bf16, fp16"):
        untrained(precision=precision)
    with pytest.raises(OptionError, match="precision must be one of"):
        fitted.precision = precision  # type: ignore[assignment]
    assert fitted.precision == "fp32"


def test_device_of_the_environment_is_taken_unless_an_argument_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_DEVICE", "nonsense")
    assert Classifier("small_cnn", device="cpu").device == "cpu"
    with pytest.raises(DeviceError, match="nonsense"):
        Classifier("small_cnn")


# fit


def test_fit_returns_the_classifier_itself(parts: tuple[Dataset, Dataset]) -> None:
    clf = untrained()
    assert clf.fit(parts[0], validation=parts[1], options=TINY) is clf
    assert clf.history is not None
    assert len(clf.history) == 1


def test_class_order_is_by_name_and_not_by_folder(phantom_folder: Path, tmp_path: Path) -> None:
    names = {"1 last": "pituitary", "2": "glioma", "3": "notumor", "9 first": "meningioma"}
    for name, label in names.items():
        (tmp_path / name).symlink_to(phantom_folder / label, target_is_directory=True)
    data = Dataset.from_folder(tmp_path, classes=names, group=lambda path: path.stem.split("_")[0])
    assert untrained().fit(data, options=TINY).classes == CLASSES


def test_training_goes_on_from_the_weights_that_were_loaded(
    fitted: Classifier, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    options = TrainingOptions(epochs=1, batch_size=8, learning_rate=0, precision="fp32", augmentation=None)
    loaded.fit(parts[0], validation=parts[1], options=options)
    assert torch.equal(loaded.bundle.network.head.weight, fitted.bundle.network.head.weight)
    assert loaded.bundle.preprocessing == fitted.bundle.preprocessing
    assert (loaded.bundle.name, loaded.bundle.backbone) == ("small_cnn.fitted", "small_cnn")
    # What the loaded model had seen is not forgotten.
    assert set(fitted.bundle.provenance.slices) <= set(loaded.bundle.provenance.slices)
    loaded.save(tmp_path / "again.safetensors")
    assert Classifier.from_pretrained(tmp_path / "again.safetensors").classes == CLASSES


def test_training_on_other_classes_gets_a_new_head_on_the_same_backbone(
    fitted: Classifier, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    train, validation = (
        Dataset(Record(r.path, "no" if r.label == "notumor" else "tumour", group=r.group) for r in part)
        for part in parts
    )
    options = TrainingOptions(epochs=2, batch_size=8, freeze_backbone=True, precision="fp32")
    loaded.fit(train, validation=validation, options=options)
    assert loaded.classes == ("no", "tumour")
    assert loaded.bundle.network.head.weight.shape[0] == 2
    backbone = loaded.bundle.network.backbone.state_dict()
    assert all(torch.equal(backbone[k], v) for k, v in fitted.bundle.network.backbone.state_dict().items())
    assert loaded.predict(validation[0].path).label in ("no", "tumour")


# evaluate


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A slice of each of four new patients, which do not look like each other as all phantoms do."""
    folder, records = tmp_path_factory.mktemp("strangers"), []
    for seed, label in enumerate(CLASSES):
        tissue = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 96)), 5)
        shown = 128 + 127 * tissue / np.abs(tissue).max()
        Image.fromarray(shown.astype(np.uint8)).save(folder / f"{label}.png")
        records.append(Record(folder / f"{label}.png", label, group=f"stranger {seed}"))
    return Dataset(records)


def test_new_patients_are_no_leak(fitted: Classifier, strangers: Dataset) -> None:
    leak = fitted.evaluate(strangers, bootstrap=0).leakage
    assert leak.checked
    assert not leak.leaks
    assert (leak.slices_seen, leak.slices_alike, leak.groups_seen) == (0, 0, 0)


def test_a_report_says_of_what_it_is(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    report = fitted.evaluate(parts[1], bootstrap=20)
    assert (report.leakage.slices_seen, report.leakage.groups_seen) == (0, 0)
    assert (report.n, report.n_groups, report.interval_unit) == (16, 8, "group")
    assert "By group" in report.split
    assert report.names == tuple(str(record.path) for record in parts[1])
    assert report.accuracy == np.trace(report.confusion) / 16


def test_training_slices_are_a_leak_whatever_their_files_are_called(
    fitted: Classifier, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    leak = fitted.evaluate(parts[0], bootstrap=0).leakage
    assert (leak.slices_seen, leak.groups_seen, leak.n_slices) == (32, 16, 32)
    copies = []
    for number, record in enumerate(parts[0][:3]):
        copy = tmp_path / f"{number}.bmp"
        Image.open(record.path).save(copy)
        copies.append(Record(copy, record.label))
    leak = fitted.evaluate(Dataset(copies), bootstrap=0).leakage
    assert (leak.slices_seen, leak.groups_seen) == (3, None)
    assert leak.leaks


def test_mirrored_training_slices_are_a_leak(
    fitted: Classifier, parts: tuple[Dataset, Dataset], strangers: Dataset, tmp_path: Path
) -> None:
    mirrored = []
    for number, record in enumerate(parts[0][:3]):
        with Image.open(record.path) as picture:
            ImageOps.mirror(picture).save(tmp_path / f"{number}.png")
        mirrored.append(Record(tmp_path / f"{number}.png", record.label))
    leak = fitted.evaluate(Dataset([*mirrored, *strangers]), bootstrap=0).leakage
    assert (leak.slices_seen, leak.slices_alike, leak.leaks) == (0, 3, True)


def test_patient_of_the_training_is_a_leak_even_with_another_slice(
    fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    known = parts[0][0].group
    renamed = Dataset(Record(r.path, r.label, group=known) for r in parts[1][:2])
    leak = fitted.evaluate(renamed, bootstrap=0).leakage
    assert (leak.slices_seen, leak.groups_seen, leak.leaks) == (0, 1, True)


def test_classes_that_the_model_does_not_know_are_refused_and_both_sides_are_named(
    fitted: Classifier, scans: list[Path]
) -> None:
    data = Dataset([Record(scans[0], "glioma"), Record(scans[1], "metastasis")])
    with pytest.raises(ClassMismatchError, match=r"metastasis; dataset: glioma, metastasis; model: glioma, men"):
        fitted.evaluate(data)


def test_some_of_the_classes_are_enough(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    report = fitted.evaluate(parts[1].filter(lambda record: record.label in ("notumor", "pituitary")), bootstrap=0)
    assert report.classes == CLASSES
    assert report.confusion.sum(axis=1).tolist() == [0, 0, 4, 4]


def test_order_of_records_does_not_change_the_figures(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    there, back = (fitted.evaluate(data, bootstrap=0) for data in (parts[1], parts[1][::-1]))
    assert there.confusion.tolist() == back.confusion.tolist()
    assert there.loss == pytest.approx(back.loss, abs=1e-5)


def test_files_that_cannot_be_read_are_reported_and_left_out(
    fitted: Classifier, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    record = Record(bad, "glioma", group="new")
    data = Dataset([parts[1][0], record, *parts[1][1:]])
    report = fitted.evaluate(data, bootstrap=0)
    assert (report.n, len(report.unreadable)) == (16, 1)
    assert report.unreadable[0][0] == str(bad)
    assert report.confusion.tolist() == fitted.evaluate(parts[1], bootstrap=0).confusion.tolist()
    with pytest.raises(DatasetError, match=r"none of the 1 slices can be read; the first: .*bad\.png"):
        fitted.evaluate(Dataset([record]))


def test_empty_dataset_is_refused(fitted: Classifier) -> None:
    with pytest.raises(DatasetError, match="nothing to evaluate"):
        fitted.evaluate(Dataset([]))


# save and load


@pytest.mark.parametrize("half", [False, True])
def test_model_that_is_saved_and_loaded_answers_the_same(
    fitted: Classifier, phantoms: Dataset, tmp_path: Path, half: bool
) -> None:
    file = tmp_path / "new" / "folder" / "my-model.safetensors"
    fitted.save(file, half=half)
    paths = [record.path for record in phantoms[::6]]
    for place in (file, str(file), file.parent):
        loaded = Classifier.from_pretrained(place, device="cpu")
        same = loaded.predict_proba(paths) == pytest.approx(fitted.predict_proba(paths), abs=1e-2 if half else 0)
        assert same, place
    assert loaded.predict(paths[0]).model == "my-model"
    assert loaded.bundle.temperature == fitted.bundle.temperature
    assert loaded.bundle.provenance.groups == fitted.bundle.provenance.groups
    assert np.array_equal(loaded.bundle.provenance.slices, fitted.bundle.provenance.slices)
    assert [path.name for path in file.parent.iterdir()] == ["my-model.safetensors"]


def test_folder_with_two_files_or_none_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    with pytest.raises(UnknownWeightsError, match=r"must hold one \.safetensors file; it has: none"):
        Classifier.from_pretrained(tmp_path)
    for name in ("a", "b"):
        fitted.save(tmp_path / f"{name}.safetensors")
    with pytest.raises(UnknownWeightsError, match=r"it has: a\.safetensors, b\.safetensors"):
        Classifier.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["nothing-v1", "gone.safetensors", "a/b"])
def test_weights_that_are_nowhere_are_refused(name: str) -> None:
    with pytest.raises(UnknownWeightsError, match=name):
        Classifier.from_pretrained(name)


def test_place_that_cannot_be_written_is_our_error_and_leaves_nothing(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file" / "model.safetensors", tmp_path, "/proc/model.safetensors", ""):
        with pytest.raises(OutputError):
            fitted.save(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_saving_over_a_model_replaces_it(fitted: Classifier, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"old")
    fitted.save(file)
    assert Classifier.from_pretrained(file).classes == CLASSES


class OwnBackbone(nn.Module):
    """A user's module."""

    def __init__(self, channels: int = 1, width: int = 6) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, 5, stride=4)
        self.normalisation = nn.BatchNorm2d(width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.normalisation(self.convolution(images)).relu().amax(dim=(2, 3))
        return features


@pytest.mark.parametrize("channels", [1, 3])
def test_backbone_of_the_user_is_trained_saved_and_loaded(
    parts: tuple[Dataset, Dataset], tmp_path: Path, channels: int
) -> None:
    file = tmp_path / "model.safetensors"
    clf = untrained(OwnBackbone(channels)).fit(parts[0], validation=parts[1], options=TINY)
    clf.save(file)
    with pytest.raises(CheckpointError, match=r"custom:OwnBackbone.*backbone=\.\.\."):
        Classifier.from_pretrained(file)
    loaded = Classifier.from_pretrained(file, backbone=OwnBackbone(channels))
    paths = [record.path for record in parts[1]]
    assert np.array_equal(loaded.predict_proba(paths), clf.predict_proba(paths))
    assert loaded.bundle.network.channels == channels
    for wrong in (OwnBackbone(4 - channels), OwnBackbone(channels, width=7), nn.Flatten()):
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            Classifier.from_pretrained(file, backbone=wrong)


def test_backbone_that_makes_no_features_is_refused(parts: tuple[Dataset, Dataset]) -> None:
    for wrong in (nn.Conv2d(1, 4, 3), nn.Linear(7, 3)):
        with pytest.raises(NetworkError):
            untrained(wrong).fit(parts[0], validation=parts[1], options=TINY)


def test_default_weights_lie_in_the_package_and_need_no_network(
    scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    clf = Classifier.from_pretrained(device="cpu")
    assert clf.classes == CLASSES
    answer = clf.predict(scans[0])
    assert isinstance(answer, Prediction)
    assert answer.status != "error"
    assert clf.bundle.provenance.slices.size


def test_log_says_where_it_computes(fitted: Classifier, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitted.save(tmp_path / "model.safetensors")
    with caplog.at_level("INFO", logger="mriclassify"):
        Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    assert "model computes on cpu" in caplog.messages
