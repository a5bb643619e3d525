"""predict_study: one answer for a series, the slices that it rests on, and those that had no say."""

import io
import json
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from mriclassify import (
    AppearanceLimits,
    Classifier,
    MissingExtraError,
    OptionError,
    OutputError,
    PixelError,
    Preprocessing,
    ReadError,
    StudyPrediction,
    Thresholds,
    TrainingOptions,
)
from mriclassify import Dataset as Slices

Volume = NDArray[np.uint8]

COUNT, ENDS = 20, 2
LITTLE = "It shows little of the head."
UNREAD = "It could not be read."
UNLIKE = "It is unlike a brain MR slice."


def head(folder: Path, label: str, number: int = 0) -> Volume:
    """(96, 96): one of the phantoms that the classifier of these tests knows."""
    with Image.open(sorted((folder / label).iterdir())[number]) as picture:
        return np.asarray(picture, np.uint8)


def end(number: int) -> Volume:
    """The top of a head: some skin in noise."""
    rows, columns = np.mgrid[0:96, 0:96]
    disc = (rows - 48) ** 2 + (columns - 48) ** 2 < 11**2
    noise = np.random.default_rng(number).integers(0, 4, disc.shape)
    pixels: Volume = np.where(disc, 90 + noise, noise).astype(np.uint8)
    return pixels


def stack(folder: Path, tumour: str = "notumor", where: range = range(9, 14)) -> Volume:
    """(24, 96, 96): two ends, 20 slices of a head, of which `where` show `tumour`, and two ends."""
    heads = [head(folder, tumour if k in where else "notumor", k % 12) for k in range(ENDS, ENDS + COUNT)]
    return np.stack([end(0), end(1), *heads, end(2), end(3)])


@pytest.fixture(scope="module")
def healthy(phantom_folder: Path) -> Volume:
    return stack(phantom_folder)


@pytest.fixture(scope="module")
def ill(phantom_folder: Path) -> Volume:
    return stack(phantom_folder, "glioma")


def dicom(pixels: NDArray[np.integer], number: int, *, series: int = 1, **elements: object) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"1.2.{series}.{number + 1}"
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = f"1.2.{series}"
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = ["0", "0", str(5 * number - 60)]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = pixels.astype(np.uint16).tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def write_series(folder: Path, volume: Volume, *, series: int = 1, **elements: object) -> Path:
    # Names in another order than positions.
    folder.mkdir(exist_ok=True)
    for k, pixels in enumerate(volume):
        (folder / f"{series}-{(7 * k) % len(volume):03}.dcm").write_bytes(dicom(pixels, k, series=series, **elements))
    return folder


def same(one: StudyPrediction, other: StudyPrediction) -> bool:
    return (one.label, one.resting_on, one.status) == (other.label, other.resting_on, other.status) and list(
        one.probabilities.values()
    ) == pytest.approx(list(other.probabilities.values()), abs=1e-3)


# The answer


def test_a_tumour_in_a_quarter_of_the_slices_is_found_where_it_is(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill)
    assert answer.label == "glioma" == max(answer.probabilities, key=answer.probabilities.__getitem__)
    assert answer.confidence == answer.probabilities["glioma"]
    assert tuple(answer.probabilities) == fitted.classes
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert set(answer.resting_on) <= set(range(9, 14))
    assert len(answer.resting_on) == 3
    assert answer.disagreement == 0
    assert (answer.status, answer.reasons) == ("ok", ())
    assert (answer.source, answer.device, answer.model) == ("array (24, 96, 96) uint8", "cpu", "small_cnn.fitted")


def test_a_mean_of_the_slices_would_have_missed_it(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill)
    each = [s.probabilities["glioma"] for s in answer.slices if s.used]
    assert sum(each) / len(each) < 0.5 < answer.probabilities["glioma"]


def test_no_tumour_anywhere_is_no_tumour(fitted: Classifier, healthy: Volume) -> None:
    answer = fitted.predict_study(healthy)
    assert (answer.label, answer.status) == ("notumor", "ok")
    assert answer.confidence > 0.6


def test_one_false_alarm_is_not_believed(fitted: Classifier, phantom_folder: Path) -> None:
    lone = fitted.predict_study(stack(phantom_folder, "glioma", range(11, 12)))
    assert lone.slices[11].label == "glioma"
    assert lone.label == "notumor"


def test_each_slice_has_the_answer_that_predict_gives(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill, batch_size=5)
    assert [s.index for s in answer.slices] == list(range(24))
    for k in (3, 10, 20):
        alone = fitted.predict(ill[k])
        assert answer.slices[k].label == alone.label
        assert answer.slices[k].probabilities == pytest.approx(alone.probabilities, abs=1e-4)
        assert answer.slices[k].name == f"slice {k}"


def test_the_size_of_batches_changes_nothing(fitted: Classifier, ill: Volume) -> None:
    assert same(fitted.predict_study(ill, batch_size=1), fitted.predict_study(ill, batch_size=100))


def test_from_the_other_end_it_is_the_same_answer(fitted: Classifier, ill: Volume) -> None:
    answer, turned = fitted.predict_study(ill), fitted.predict_study(np.ascontiguousarray(ill[::-1]))
    assert turned.probabilities == pytest.approx(answer.probabilities, abs=1e-4)
    assert {len(ill) - 1 - k for k in turned.resting_on} == set(answer.resting_on)


# What has no say


def test_ends_with_little_of_the_head_are_left_out_and_counted(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill)
    assert [s.index for s in answer.slices if not s.used] == [0, 1, 22, 23]
    assert answer.left_out == {LITTLE: 4}
    assert answer.slices[0].reason == LITTLE
    assert answer.slices[0].label is not None
    assert answer.slices[5].reason == ""
    assert answer.status == "ok", "that a head has ends is no reason for doubt"


def test_slices_that_cannot_be_read_are_counted(fitted: Classifier, ill: Volume) -> None:
    spoilt = ill.astype(np.float32)
    spoilt[4] = 0
    spoilt[17, 3, 3] = np.nan
    answer = fitted.predict_study(spoilt)
    assert answer.left_out == {LITTLE: 4, UNREAD: 2}
    unread = answer.slices[17]
    assert (unread.used, unread.label, unread.probabilities, unread.thumbnail) == (False, None, {}, None)
    assert (answer.label, set(answer.resting_on) <= set(range(9, 14))) == ("glioma", True)


def test_a_series_of_which_nothing_can_be_read_is_an_error(fitted: Classifier) -> None:
    with pytest.raises(PixelError, match=r"none of its 5 slices can be read; the first: .*blank"):
        fitted.predict_study(np.zeros((5, 40, 40)))


# Doubts


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_slices_are_too_few_to_rely_on(fitted: Classifier, ill: Volume, count: int) -> None:
    answer = fitted.predict_study(ill[10 : 10 + count])
    assert answer.label == "glioma"
    assert answer.status == "uncertain"
    assert any(f"Only {count} slice" in reason and "needs 3" in reason for reason in answer.reasons)
    assert sorted(answer.resting_on) == list(range(count))


def test_low_confidence_is_uncertain(fitted: Classifier, ill: Volume) -> None:
    strict = Classifier("small_cnn", device="cpu")
    strict._take(fitted.bundle.with_changes(thresholds=Thresholds(uncertain_below=1.0, appearance=None)))
    sure = strict.predict_study(ill)
    assert sure.status == "uncertain"
    assert any("confidence" in reason and "below 1.00" in reason for reason in sure.reasons)


def test_slices_that_contradict_the_answer_make_it_uncertain(fitted: Classifier, phantom_folder: Path) -> None:
    mixed = stack(phantom_folder, "glioma", range(9, 12))
    for k, label in {9: "pituitary", 10: "glioma", 11: "meningioma"}.items():
        mixed[k] = head(phantom_folder, label)
    answer = fitted.predict_study(mixed)
    assert answer.disagreement == pytest.approx(2 / 3)
    assert answer.status == "uncertain"
    assert any("67%" in reason for reason in answer.reasons)


def test_notes_on_the_files_are_reasons_each_once(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct", ill, Modality="CT")
    for gone in sorted(folder.iterdir())[3:4]:
        gone.unlink()
    answer = fitted.predict_study(folder)
    assert answer.status == "uncertain"
    assert answer.reasons.count("Modality is CT, not MR.") == 1
    assert any("missing" in reason for reason in answer.reasons)


# Slices that are no brain MR slices


@pytest.fixture
def checking(fitted: Classifier) -> Classifier:
    """The classifier with the checks of pixels, but for the one that a phantom's even grey does not pass."""
    clf = Classifier("small_cnn", device="cpu")
    clf._take(fitted.bundle)
    clf.thresholds = Thresholds(appearance=AppearanceLimits(median_above=1))
    return clf


def noise(count: int) -> Volume:
    """(count, 96, 96): what no head is."""
    return np.random.default_rng(0).integers(0, 255, (count, 96, 96), dtype=np.uint8)


def test_slices_that_are_no_brain_slices_are_left_out_with_the_reason(checking: Classifier, healthy: Volume) -> None:
    spoilt = healthy.copy()
    spoilt[[5, 15]] = noise(2)
    answer = checking.predict_study(spoilt)
    assert answer.left_out == {LITTLE: 4, UNLIKE: 2}
    assert [s.index for s in answer.slices if s.reason == UNLIKE] == [5, 15]
    assert (answer.label, answer.status) == ("notumor", "ok")
    assert answer.slices[5].label is not None, "it has an answer, though no say"
    assert sum(answer.slices[5].probabilities.values()) == pytest.approx(1)
    # The answer is that of the series without them.
    rest = [k for k in range(len(spoilt)) if k not in (5, 15)]
    assert answer.probabilities == pytest.approx(checking.predict_study(spoilt[rest]).probabilities, abs=1e-4)


def test_half_of_the_slices_is_not_most(checking: Classifier, healthy: Volume) -> None:
    volume = np.concatenate([healthy[2:8], noise(6)])
    answer = checking.predict_study(volume)
    assert (answer.status, answer.left_out) == ("ok", {UNLIKE: 6})
    more = checking.predict_study(np.concatenate([volume, noise(1)]))
    assert more.status == "rejected"


def test_a_series_of_which_most_slices_are_rejected_is_rejected_and_has_an_answer(
    checking: Classifier, healthy: Volume
) -> None:
    # More ends than noise: what is said must be of the slices that had a say.
    volume = np.stack([end(0), end(1), healthy[10], *noise(2), end(2), end(3)])
    answer = checking.predict_study(volume)
    assert answer.status == "rejected"
    assert answer.reasons[0] == "Most of its slices are no brain MR slices. No dark air surrounds a head."
    assert answer.label in checking.classes
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.left_out == {LITTLE: 4}


def test_a_series_that_is_unlike_the_training_slices_is_rejected(fitted: Classifier, healthy: Volume) -> None:
    clf = Classifier("small_cnn", device="cpu")
    clf._take(fitted.bundle)
    clf.thresholds = Thresholds(appearance=None, unfamiliar_above=0)
    answer = clf.predict_study(healthy, batch_size=7)
    assert answer.status == "rejected"
    assert answer.reasons[0].endswith("It is unlike the slices that the model was trained on.")
    assert answer.probabilities == pytest.approx(fitted.predict_study(healthy).probabilities, abs=1e-4)


# Sources


def test_every_container_gets_the_same_answer(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    expected = fitted.predict_study(ill)
    folder = write_series(tmp_path / "dicom", ill)
    archive = tmp_path / "series.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, f"exported/{path.name}")
    # A picture starts at the front and at the patient's right, where the axes of RAS end.
    axial = ill[:, ::-1, ::-1].transpose(2, 1, 0)
    nib.save(nib.Nifti1Image(axial, np.diag([1, 1, 5, 1])), tmp_path / "volume.nii.gz")
    pages = [Image.fromarray(page) for page in ill]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    for source in (folder, archive, archive.read_bytes(), tmp_path / "volume.nii.gz", tmp_path / "pages.tif"):
        assert same(fitted.predict_study(source), expected), source if isinstance(source, Path) else "bytes"
    answer = fitted.predict_study(folder)
    assert [s.position for s in answer.slices] == [5.0 * k - 60 for k in range(24)]
    assert answer.source == str(folder)


def test_pictures_in_a_folder_all_count(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    for k, pixels in enumerate(ill[2:22]):
        Image.fromarray(pixels).save(tmp_path / f"slice {k}.png")
    answer = fitted.predict_study(tmp_path)
    assert answer.label == "glioma"
    assert set(answer.resting_on) <= set(range(7, 12))
    assert answer.left_out == {}
    assert [s.name for s in answer.slices][9:11] == ["slice 9.png", "slice 10.png"]


def test_a_broken_file_in_a_folder_is_told_and_the_others_answered(
    fitted: Classifier, ill: Volume, tmp_path: Path
) -> None:
    folder = write_series(tmp_path / "dicom", ill)
    (folder / "broken.dcm").write_bytes(b"nothing of the kind")
    answer = fitted.predict_study(folder)
    assert answer.label == "glioma"
    assert any("broken.dcm" in reason for reason in answer.reasons)


def test_slices_picks_and_keeps_their_numbers(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill, slices=[2, 9, 10, 11, 20])
    assert [s.index for s in answer.slices] == [2, 9, 10, 11, 20]
    assert set(answer.resting_on) == {9, 10, 11}
    for wrong in ([24], [-1], []):
        with pytest.raises(OptionError):
            fitted.predict_study(ill, slices=wrong)


def test_series_picks_one_of_several(fitted: Classifier, ill: Volume, healthy: Volume, tmp_path: Path) -> None:
    write_series(tmp_path, ill[2:22], series=1)
    write_series(tmp_path, healthy[2:12], series=2)
    first, second = (fitted.predict_study(tmp_path, series=k) for k in (0, 1))
    assert (first.label, len(first.slices)) == ("glioma", 20)
    assert (second.label, len(second.slices)) == ("notumor", 10)
    chosen = fitted.predict_study(tmp_path)
    assert len(chosen.slices) == 20
    assert any("2 series" in reason for reason in chosen.reasons)
    with pytest.raises(OptionError):
        fitted.predict_study(tmp_path, series=2)


def test_wrong_arguments_and_sources_are_told(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="batch_size"):
        fitted.predict_study(ill, batch_size=0)
    with pytest.raises(OptionError, match="axis"):
        fitted.predict_study(ill, axis=3)
    with pytest.raises(ReadError, match="no scan in folder"):
        fitted.predict_study(tmp_path)


# What becomes of the answer


def test_as_text_and_as_json_it_is_complete_without_pictures(fitted: Classifier, ill: Volume) -> None:
    answer = fitted.predict_study(ill)
    text = answer.to_json()
    assert "\n" not in text
    assert "thumbnail" not in text
    values = json.loads(text)
    assert values == answer.to_dict()
    assert len(values["slices"]) == 24
    assert values["left_out"] == {LITTLE: 4}
    assert values["slices"][10]["probabilities"] == answer.slices[10].probabilities
    assert str(answer).startswith("array (24, 96, 96) uint8: glioma ")
    assert "20 of 24 slices" in str(answer)


def test_thumbnails_are_small_and_keep_the_shape(fitted: Classifier, ill: Volume) -> None:
    thumbnail = fitted.predict_study(ill[:, :48]).slices[10].thumbnail
    assert thumbnail is not None
    assert thumbnail.shape == (32, 64)
    assert thumbnail.dtype == np.uint8
    assert thumbnail.min() == 0
    assert thumbnail.max() > 200


@pytest.mark.parametrize("count", [1, 7, 24])
def test_the_strip_is_a_picture(fitted: Classifier, ill: Volume, tmp_path: Path, count: int) -> None:
    path = tmp_path / "new" / "strip.png"
    spoilt = ill[-count:].copy()
    spoilt[count // 2 :: 5] = 0 if count > 1 else spoilt[0]
    fitted.predict_study(spoilt).save_strip(path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 100
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    assert [file.name for file in path.parent.iterdir()] == ["strip.png"]


def test_the_strip_frames_what_the_answer_rests_on(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    fitted.predict_study(ill).save_strip(tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    orange = np.abs(pixels - [0xD9, 0x5F, 0x02]).max(axis=2) < 10
    assert orange.sum() > 500


def test_a_strip_that_cannot_be_written_is_an_error_of_ours(fitted: Classifier, ill: Volume, tmp_path: Path) -> None:
    answer = fitted.predict_study(ill[8:14])
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path, tmp_path / "file" / "strip.png"):
        with pytest.raises(OutputError):
            answer.save_strip(path)


def test_without_matplotlib_the_extra_is_named(
    fitted: Classifier, ill: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = fitted.predict_study(ill[8:14])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"mriclassify\[plot\]"):
        answer.save_strip(tmp_path / "strip.png")
    assert not (tmp_path / "strip.png").exists()


# The window of the file


def windowed(pixels: Volume, center: float, width: float) -> bytes:
    return dicom(pixels, 0, WindowCenter=str(center), WindowWidth=str(width))


def test_the_window_of_the_file_is_used_where_it_is_asked_for_and_only_there(
    phantom_folder: Path, phantoms: Slices, tmp_path: Path
) -> None:
    pixels = head(phantom_folder, "glioma")
    options = TrainingOptions(epochs=1, batch_size=8, precision="fp32")
    by_file = Classifier("small_cnn", preprocessing=Preprocessing(size=32, window="dicom"), device="cpu")
    by_file.fit(phantoms, options=options)
    by_file.save(tmp_path / "model.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu")
    assert loaded.bundle.preprocessing.window == "dicom"
    wide, narrow = windowed(pixels, 128, 256), windowed(pixels, 230, 20)
    for clf in (by_file, loaded):
        assert clf.predict(wide).probabilities != pytest.approx(clf.predict(narrow).probabilities, abs=1e-4)
        assert clf.predict_study(wide).probabilities == pytest.approx(clf.predict(wide).probabilities, abs=1e-4)
        assert clf.predict_study(narrow).probabilities == pytest.approx(clf.predict(narrow).probabilities, abs=1e-4)
        # A file that names none is read by percentiles, as an array is.
        assert clf.predict(dicom(pixels, 0)).probabilities == pytest.approx(clf.predict(pixels).probabilities, abs=1e-4)
    assert loaded.predict(narrow).probabilities == by_file.predict(narrow).probabilities


def test_percentiles_do_not_care_for_the_window_of_the_file(fitted: Classifier, phantom_folder: Path) -> None:
    pixels = head(phantom_folder, "glioma")
    wide, narrow = fitted.predict(windowed(pixels, 128, 256)), fitted.predict(windowed(pixels, 230, 20))
    assert wide.probabilities == narrow.probabilities


def test_the_image_has_the_ends_of_the_window_at_0_and_1() -> None:
    pixels = np.tile(np.linspace(0, 1000, 64, dtype=np.float32), (64, 1))
    by_file = Preprocessing(size=64, window="dicom", crop="none")
    image = by_file(pixels, window=(250.0, 750.0))[0, 0]
    assert image == pytest.approx(np.clip((pixels[0] - 250) / 500, 0, 1.5), abs=1e-5)
    assert np.array_equal(by_file(pixels), Preprocessing(size=64, crop="none")(pixels))
    assert np.array_equal(Preprocessing(size=64)(pixels, window=(250, 750)), Preprocessing(size=64)(pixels))
    assert "dicom" in repr(by_file)
    with pytest.raises(OptionError, match="window"):
        Preprocessing(window="file")  # type: ignore[arg-type]
