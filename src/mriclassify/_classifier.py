"""Classifier: the verbs that a user calls; each hands on to the room that knows how."""

import copy
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch import nn

from mriclassify._data._dataset import Dataset
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._errors import CalibrationError, ClassMismatchError, DatasetError, NotFittedError, OptionError
from mriclassify._explaining import DEFAULT_METHOD, Explanation, explain
from mriclassify._model._backbones import IMAGENET
from mriclassify._model._blueprint import Blueprint
from mriclassify._model._bundle import Bundle
from mriclassify._model._device import Precision, check_precision, choose_device
from mriclassify._model._inference import ready
from mriclassify._model._prediction import Prediction
from mriclassify._model._prediction_set import PredictionSet
from mriclassify._model._stream import OnError, answer, predictions, read
from mriclassify._model._study import StudyPrediction, answer_study
from mriclassify._reading import Source, expand, name_of, read_study
from mriclassify._reading._checks import check_axis
from mriclassify._shapes import Probabilities
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._thresholds import Thresholds
from mriclassify._weights._checkpoint import load_bundle, save_bundle
from mriclassify._weights._locating import locate

log = logging.getLogger("mriclassify")

if TYPE_CHECKING:
    from mriclassify._evaluation import Report
    from mriclassify._evaluation._recalibrated import Recalibration
    from mriclassify._training._history import History
    from mriclassify._training._loop import OnEpoch
    from mriclassify._training._options import TrainingOptions

Sources: TypeAlias = Source | Iterable[Any]
"""A folder, a pattern such as "scans/*.dcm", a source, or an iterable of any of these."""


class Classifier:
    """A brain MRI slice classifier: train it, ask it, measure it, save it. For research only.

    A new classifier is untrained; `fit` it, or take one that is trained by `Classifier.from_pretrained()`.

    Args:
        backbone: a name in `list_backbones()`, "timm/<model>", or a `torch.nn.Module` with
            `forward(images) -> features`, images (batch, channels, size, size), features (batch, d).
        pretrained: what training starts from: "imagenet" (the weights of torchvision or timm, downloaded when `fit` is
            first called), a safetensors file with the backbone's parameters, or None for random weights. "imagenet"
            has no meaning for other backbones, nor anything for a module: they start as they are.
        preprocessing: what is done to each slice; by default 160 pixels (224 where the backbone needs them).
        device: "auto" (CUDA, then MPS, then CPU), or a device's name.
        precision: what the trained network computes in: "fp32", "bf16" or "fp16". The latter two move probabilities
            (the model cards say how far), and are faster where the device is built for them; a CPU is for bf16 if it
            has AVX512-BF16 or AMX. Training has its own, in `TrainingOptions`.

    Raises:
        OptionError: no such backbone or precision.
        DeviceError: no such device.

    Example:
        ```python
        from mriclassify import Classifier

        clf = Classifier.from_pretrained()
        print(clf.predict("examples/scans/colin27_ventricles.jpg"))
        ```
    """

    def __init__(
        self,
        backbone: str | nn.Module = "mobilenet_v2",
        *,
        pretrained: str | os.PathLike[str] | None = IMAGENET,
        preprocessing: Preprocessing | None = None,
        device: str = "auto",
        precision: Precision = "fp32",
    ) -> None:
        self._device = choose_device(device)
        self._precision = check_precision(precision)
        self._blueprint = Blueprint.of(backbone, pretrained=pretrained, preprocessing=preprocessing)
        self._bundle: Bundle | None = None
        self._history: History | None = None

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike[str] = "default",
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        backbone: nn.Module | None = None,
    ) -> "Classifier":
        """Return a trained classifier.

        Args:
            weights: a name in `list_weights()` (downloaded once, verified, cached; "default" lies in the
                package), a file that `save` wrote, or a folder that holds one. A name wins over a folder of that
                name: write "./default" for the folder.
            device: "auto", or a device's name.
            precision: what the network computes in, as for `Classifier`.
            backbone: for a file trained on a module of your own: that module, built anew.

        Raises:
            UnknownWeightsError: no such name, file or folder.
            DownloadError, ChecksumError, CacheError: the weights can't be fetched.
            CheckpointError: the file is not one of ours, or not whole.
            OptionError: no such precision.
        """
        bundle = load_bundle(locate(weights), backbone=backbone)
        clf = cls(bundle.network.backbone, preprocessing=bundle.preprocessing, device=device, precision=precision)
        clf._take(bundle)
        return clf

    @property
    def bundle(self) -> Bundle:
        """The model with all that belongs to it.

        Raises:
            NotFittedError: there is none yet.
        """
        if self._bundle is None:
            raise NotFittedError("this classifier is untrained: call fit(), or use Classifier.from_pretrained()")
        return self._bundle

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of probabilities."""
        return self.bundle.classes

    @property
    def thresholds(self) -> Thresholds:
        """When an answer is uncertain and a slice rejected; set another `Thresholds` to change that.

        Raises:
            CalibrationError: on setting, the weights lack what a threshold needs.
        """
        return self.bundle.thresholds

    @thresholds.setter
    def thresholds(self, thresholds: Thresholds) -> None:
        self._bundle = self.bundle.with_changes(thresholds=thresholds)

    @property
    def device(self) -> str:
        """Where the network computes."""
        return str(self._device)

    @property
    def precision(self) -> Precision:
        """What the trained network computes in; set another to change that.

        Raises:
            OptionError: on setting, there is no such precision.
        """
        return self._precision

    @precision.setter
    def precision(self, precision: Precision) -> None:
        self._precision = check_precision(precision)
        if self._bundle is not None:
            self._bundle = self._bundle.with_changes(precision=precision)

    @property
    def history(self) -> "History | None":
        """What the last `fit` measured after each epoch; None if there was none."""
        return self._history

    def predict(
        self, source: Source, *, axis: int = 2, index: int | None = None, allow_url: bool = False
    ) -> Prediction:
        """Return the answer for one slice.

        Args:
            source: path, bytes, open binary file, PIL image, array or tensor. Arrays are (height, width), grey or
                RGB (height, width, 3), of any number type.
            axis: of a volume: 0 sagittal, 1 coronal, 2 axial, whatever way the file stores it.
            index: of the slice along `axis`, or of the frame or page; None takes the middle one.
            allow_url: whether to fetch a source that begins with http:// or https://.

        Raises:
            ReadError: the source can't be read as a slice.
            OptionError: there is no such axis or slice.
        """
        item = read(source, self.bundle, on_error="raise", axis=axis, index=index, allow_url=allow_url)
        return answer([item], self.bundle, device=self._device)[0]

    def predict_many(
        self,
        sources: Sources,
        *,
        batch_size: int = 32,
        on_error: OnError = "record",
        workers: int | None = None,
        axis: int = 2,
        index: int | None = None,
        allow_url: bool = False,
    ) -> Iterator[Prediction]:
        """Yield an answer for each slice, in order, as they are ready; memory does not grow with their number.

        Args:
            sources: a folder (walked, in natural order), a pattern such as "scans/*.dcm", or an iterable of
                sources, folders and patterns, which may be endless.
            batch_size: slices that go through the network together.
            on_error: "record" yields a `Prediction` with status "error" for a source that can't be read; "raise"
                stops there.
            workers: threads that read; None takes one for each core. On a CPU they compute as well, and one worker is
                the thread that asks.
            axis: of volumes, as in `predict`.
            index: of volumes, as in `predict`; one that has no such slice is a source that can't be read.
            allow_url: whether to fetch sources that begin with http:// or https://.

        Raises:
            ReadError: a folder without scans; or a bad source and `on_error="raise"`.
            OptionError: an argument is out of its range.
        """
        check_axis(axis)
        if index is not None and not (isinstance(index, int | np.integer) and index >= 0):
            raise OptionError(f"index must be a whole number of at least 0, or None for the middle, not {index!r}")
        _require_one_of("on_error", on_error, ("record", "raise"))
        _require_positive("batch_size", batch_size)
        if workers is not None:
            _require_positive("workers", workers)
        return predictions(
            self.bundle,
            # One folder or pattern is listed now, so that a wrong one is refused here and not at the first answer.
            list(expand(sources)) if isinstance(sources, str | os.PathLike) else expand(sources),
            device=self._device,
            batch_size=batch_size,
            on_error=on_error,
            workers=workers,
            axis=axis,
            index=index,
            allow_url=allow_url,
        )

    def explain(
        self,
        source: Source,
        *,
        label: str | None = None,
        method: str = DEFAULT_METHOD,
        layer: str | None = None,
        axis: int = 2,
        index: int | None = None,
        allow_url: bool = False,
    ) -> Explanation:
        """Return the answer for one slice with maps of where it comes from.

        Args:
            source: as in `predict`; `axis`, `index` and `allow_url` too.
            label: the class to explain; None takes the answer.
            method: "layer-cam", "grad-cam", "grad-cam++", or with the extra `explain` "integrated-gradients" or
                "occlusion". How well each points is measured in the guide "Explaining".
            layer: name of a module of the backbone, for the first three; None leaves it to the method.
            axis: of a volume.
            index: of the slice.
            allow_url: whether to fetch a URL.

        Raises:
            ReadError: the source can't be read as a slice.
            OptionError: there is no such class, method, layer, axis or slice.
            NetworkError: the backbone makes no maps.
            MissingExtraError: the method needs captum, which is not installed.
        """
        return explain(
            self.bundle,
            source,
            device=self._device,
            label=label,
            method=method,
            layer=layer,
            axis=axis,
            index=index,
            allow_url=allow_url,
        )

    def predict_study(
        self,
        source: Source,
        *,
        axis: int = 2,
        slices: Sequence[int] | None = None,
        series: int | None = None,
        batch_size: int = 32,
        allow_url: bool = False,
    ) -> StudyPrediction:
        """Return one answer for a series, and the slices that it rests on.

        Slices that can't be read, and those at the ends that show little of the head, are left out and counted.
        How the others are combined is said in the guide "Formats and series".

        Args:
            source: a folder or ZIP of DICOM files, a multi-frame DICOM file, a NIfTI volume, a folder of pictures
                in order, a multi-page TIFF, or an array (slices, height, width).
            axis: of a NIfTI volume: 0 sagittal, 1 coronal, 2 axial.
            slices: indices of those to look at; None takes all.
            series: which DICOM series of several; None takes the one with most MR slices, and says so.
            batch_size: slices that go through the network together.
            allow_url: whether to fetch a source that begins with http:// or https://.

        Raises:
            ReadError: the source is no series, or none of its slices can be read.
            OptionError: an argument is out of its range.
        """
        _require_positive("batch_size", batch_size)
        study = read_study(source, axis=axis, indices=slices, series=series, allow_url=allow_url)
        return answer_study(self.bundle, study, source=name_of(source), device=self._device, batch_size=batch_size)

    def predict_proba(self, sources: Sources, *, batch_size: int = 32) -> Probabilities:
        """Return calibrated probabilities (n, classes), columns in the order of `classes`.

        Raises:
            ReadError: a source can't be read.
        """
        rows = [
            list(prediction.probabilities.values())
            for prediction in self.predict_many(sources, batch_size=batch_size, on_error="raise")
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes))

    def prediction_set(self, source: Source, *, coverage: float = 0.95, axis: int = 2) -> PredictionSet:
        """Return the classes that one slice may show, so many that the true one is among them as often as asked.

        Args:
            source: as in `predict`.
            coverage: how often slices of each class shall have it in their set, between 0 and 1. It holds for slices
                like those that the model was calibrated on; at another hospital after `recalibrate`.
            axis: of a volume, as in `predict`.

        Raises:
            OptionError: coverage is not between 0 and 1.
            CalibrationError: the weights hold no conformal scores.
            ReadError: the source can't be read as a slice.
        """
        conformal = self._conformal(coverage)
        return _set_of(self.predict(source, axis=axis), conformal, coverage)

    def prediction_sets(
        self, sources: Sources, *, coverage: float = 0.95, batch_size: int = 32, on_error: OnError = "record"
    ) -> Iterator[PredictionSet]:
        """Yield the plausible classes of each slice, in order, as `predict_many` yields answers.

        Args:
            sources: as in `predict_many`.
            coverage: as in `prediction_set`.
            batch_size: slices that go through the network together.
            on_error: "record" yields an empty set whose prediction has the status "error"; "raise" stops there.

        Raises:
            OptionError: an argument is out of its range.
            CalibrationError: the weights hold no conformal scores.
            ReadError: as in `predict_many`.
        """
        conformal = self._conformal(coverage)
        answers = self.predict_many(sources, batch_size=batch_size, on_error=on_error)
        return (_set_of(answer, conformal, coverage) for answer in answers)

    def _conformal(self, coverage: float) -> Conformal:
        conformal = self.bundle.conformal
        if conformal is None:
            raise CalibrationError(
                f"{self.bundle.name} holds no conformal scores, which prediction sets need: call recalibrate() with "
                "labelled slices, or train with this version"
            )
        conformal.limits(coverage)  # a wrong coverage is refused here and not at the first answer
        return conformal

    def recalibrate(
        self,
        data: Dataset,
        *,
        prior: Mapping[str, float] | None = None,
        batch_size: int = 32,
        seed: int = 0,
    ) -> "Recalibration":
        """Fit probabilities and thresholds to a site, from 50 to 200 of its labelled slices; the network stays.

        Changed are the temperature, an offset for each class (the site's prior, and what its scanners do to the
        answers), the threshold of "uncertain", and the scores of the prediction sets; `save` keeps them.

        Args:
            data: labelled slices of the site, of every class; slices of one patient should share a group.
            prior: class to its share at the site, if the classes' shares among `data` are others.
            batch_size: slices that go through the network together.
            seed: of the folds and resamples that "after" is measured with.

        Returns:
            What changed, and figures before and after with 95 % intervals: printed, it is a table.

        Raises:
            ClassMismatchError: the data lacks a class of the model, or has others; or the prior does.
            DatasetError: too few slices of a class.
            OptionError: the prior's shares are not above 0, or do not sum to 1.
            ReadError: a slice can't be read.
        """
        # scikit-learn takes a second to import, and those who only predict never need it.
        from mriclassify._evaluation._recalibrating import recalibrated_bundle

        _require_positive("batch_size", batch_size)
        self._bundle, summary = recalibrated_bundle(self.bundle, data, prior=prior, batch_size=batch_size, seed=seed)
        return summary

    def fit(
        self,
        train: Dataset,
        *,
        validation: Dataset | None = None,
        options: "TrainingOptions | None" = None,
        teacher: "Classifier | None" = None,
        resume: str | os.PathLike[str] | None = None,
        on_epoch: "OnEpoch | None" = None,
    ) -> "Classifier":
        """Train on `train`, keep the weights that are best on `validation`, calibrate on it, and return self.

        A classifier that is trained already goes on from its weights (with a new head if the classes differ).

        Args:
            train: slices with labels.
            validation: slices that choose the epoch and the temperature; None sets 15 % of `train` apart, by
                patient.
            options: of the training.
            teacher: a trained classifier of the same classes, often a larger one: what it answers is learnt beside the
                labels, and its lesion map where slices have no mask. It should have been trained on these slices too,
                and not on those of `validation`.
            resume: a folder for the state after each epoch and `history.csv`; a run that was killed goes on.
            on_epoch: called with each finished `Epoch`.

        Raises:
            SplitError: no validation is given and none can be set apart.
            ClassMismatchError: the validation slices have classes that the training slices lack, or lack some; or the
                teacher does.
            NotFittedError: the teacher is untrained.
            TrainingError: training can't go on; `resume` holds another run; or the teacher sees slices otherwise.
            DownloadError: the ImageNet weights can't be fetched.
        """
        # Accelerate and scikit-learn take seconds to import, and those who only predict never need them.
        from mriclassify._training._fitting import fit_bundle

        bundle, history = fit_bundle(
            self._blueprint,
            self._bundle,
            train,
            validation=validation,
            options=options,
            teacher=teacher.bundle if teacher is not None else None,
            device=self._device,
            resume=Path(resume) if resume is not None else None,
            on_epoch=on_epoch,
        )
        self._take(bundle)
        self._history = history
        return self

    def evaluate(self, data: Dataset, *, batch_size: int = 32, bootstrap: int = 1000, seed: int = 0) -> "Report":
        """Return how good the answers on `data` are, with intervals, and whether the model has seen it before.

        The report holds the model, to make pictures of the worst mistakes when it is saved.

        Args:
            data: slices with labels, of classes that the model knows.
            batch_size: slices that go through the network together.
            bootstrap: resamples for the 95 % intervals, over patients where the data knows them.
            seed: of the resamples.

        Raises:
            ClassMismatchError: the data has classes that the model does not know.
            DatasetError: no slice of the data can be read.
        """
        if not len(data):
            raise DatasetError("there is nothing to evaluate: the dataset is empty")
        unknown = sorted(set(data.classes) - set(self.classes))
        if unknown:
            raise ClassMismatchError(
                f"the dataset has classes that the model does not know: {', '.join(unknown)}; "
                f"dataset: {', '.join(data.classes)}; model: {', '.join(self.classes)}"
            )
        # scikit-learn takes a second to import, and those who only predict never need it.
        from mriclassify._evaluation._assessment import assess

        answers = list(self.predict_many([record.path for record in data], batch_size=batch_size))
        return assess(
            self.bundle,
            data,
            answers,
            # A copy: pictures are made when the report is saved, by the model that gave these answers.
            explain=copy.copy(self).explain,
            history=[asdict(epoch) for epoch in self._history] if self._history else None,
            bootstrap=bootstrap,
            seed=seed,
        )

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> None:
        """Write the model into one safetensors file; `half` stores it in half precision, at half the size.

        Raises:
            OutputError: the file can't be written.
        """
        save_bundle(self.bundle.with_changes(name=Path(path).stem), path, half=half)

    def __repr__(self) -> str:
        if self._bundle is None:
            return f"Classifier({self._blueprint.name}, untrained, {self.device})"
        return f"Classifier({self._bundle.name}: {', '.join(self.classes)}, {self.device})"

    def _take(self, bundle: Bundle) -> None:
        ready(bundle.network, self._device)
        log.info("%s computes on %s", bundle.name, self._device)
        self._bundle = bundle.with_changes(precision=self._precision)


def _set_of(answer: Prediction, conformal: Conformal, coverage: float) -> PredictionSet:
    labels: tuple[str, ...] = ()
    if answer.probabilities:
        row = np.array([list(answer.probabilities.values())])
        (plausible,) = conformal.sets(row, coverage)
        ranked = sorted(zip(answer.probabilities, row[0], plausible, strict=True), key=lambda item: -item[1])
        labels = tuple(label for label, _, held in ranked if held)
    return PredictionSet(source=answer.source, labels=labels, coverage=coverage, prediction=answer)


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise OptionError(f"{name} must be at least 1, not {value}")


def _require_one_of(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise OptionError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
