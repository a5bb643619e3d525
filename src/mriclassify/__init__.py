"""Which tumour class a brain MRI slice shows, how sure that is, and when not to trust it. For research only.

Names are loaded when they are first used (PEP 562): torch takes a second to import, and `mriclassify --help`,
a dataset or an error class do not need it.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mriclassify._version import __version__

if TYPE_CHECKING:
    from mriclassify._catalogue import CatalogueEntry, list_datasets
    from mriclassify._classifier import Classifier
    from mriclassify._data._audit import Audit
    from mriclassify._data._augmentation import Augmentation
    from mriclassify._data._cropping import crop, draw_crop
    from mriclassify._data._dataset import Dataset
    from mriclassify._data._fading import draw_fade, fade
    from mriclassify._data._grafting import draw_graft, graft
    from mriclassify._data._healing import draw_sham, heal, sham
    from mriclassify._data._infiltrating import draw_infiltration, infiltrate
    from mriclassify._data._preprocessing import Preprocessing
    from mriclassify._data._recasting import draw_recast, recast
    from mriclassify._data._record import Record
    from mriclassify._data._stripping import draw_strip, strip
    from mriclassify._data._synthesis import Synthesis
    from mriclassify._errors import (
        CacheError,
        CalibrationError,
        CheckpointError,
        ChecksumError,
        ClassMismatchError,
        DamagedFileError,
        DatasetError,
        DeviceError,
        DownloadError,
        LeakageError,
        MissingExtraError,
        MissingFileError,
        MriClassifyError,
        NetworkError,
        NotFittedError,
        OfflineError,
        OptionError,
        OutputError,
        PixelError,
        ReadError,
        SplitError,
        TableError,
        TooMuchError,
        TrainingError,
        UnknownWeightsError,
        UnreadableFileError,
        UnsupportedFormatError,
        WeightsError,
    )
    from mriclassify._evaluation import Report
    from mriclassify._evaluation._recalibrated import Recalibration
    from mriclassify._explaining import Explanation, Region
    from mriclassify._labels import CLASSES
    from mriclassify._model._backbones import list_backbones
    from mriclassify._model._bundle import Bundle
    from mriclassify._model._prediction import Prediction
    from mriclassify._model._prediction_set import PredictionSet
    from mriclassify._model._study import SliceAnswer, StudyPrediction
    from mriclassify._training._history import Epoch, History
    from mriclassify._training._options import TrainingOptions
    from mriclassify._trust._appearance import AppearanceLimits
    from mriclassify._trust._thresholds import Thresholds
    from mriclassify._weights._registry import WeightsRecord, list_weights

# Without a handler Python would print a library's warnings to standard error, whatever the program wants.
logging.getLogger("mriclassify").addHandler(logging.NullHandler())

_ERRORS = "mriclassify._errors"
_HOMES = {
    "AppearanceLimits": "mriclassify._trust._appearance",
    "Audit": "mriclassify._data._audit",
    "Augmentation": "mriclassify._data._augmentation",
    "Bundle": "mriclassify._model._bundle",
    "CLASSES": "mriclassify._labels",
    "CacheError": _ERRORS,
    "CalibrationError": _ERRORS,
    "CatalogueEntry": "mriclassify._catalogue",
    "CheckpointError": _ERRORS,
    "ChecksumError": _ERRORS,
    "ClassMismatchError": _ERRORS,
    "Classifier": "mriclassify._classifier",
    "DamagedFileError": _ERRORS,
    "Dataset": "mriclassify._data._dataset",
    "DatasetError": _ERRORS,
    "DeviceError": _ERRORS,
    "DownloadError": _ERRORS,
    "Epoch": "mriclassify._training._history",
    "Explanation": "mriclassify._explaining",
    "History": "mriclassify._training._history",
    "LeakageError": _ERRORS,
    "MissingExtraError": _ERRORS,
    "MissingFileError": _ERRORS,
    "MriClassifyError": _ERRORS,
    "NetworkError": _ERRORS,
    "NotFittedError": _ERRORS,
    "OfflineError": _ERRORS,
    "OptionError": _ERRORS,
    "OutputError": _ERRORS,
    "PixelError": _ERRORS,
    "Prediction": "mriclassify._model._prediction",
    "PredictionSet": "mriclassify._model._prediction_set",
    "Preprocessing": "mriclassify._data._preprocessing",
    "ReadError": _ERRORS,
    "Recalibration": "mriclassify._evaluation._recalibrated",
    "Record": "mriclassify._data._record",
    "Region": "mriclassify._explaining",
    "Report": "mriclassify._evaluation",
    "SliceAnswer": "mriclassify._model._study",
    "SplitError": _ERRORS,
    "StudyPrediction": "mriclassify._model._study",
    "Synthesis": "mriclassify._data._synthesis",
    "TableError": _ERRORS,
    "Thresholds": "mriclassify._trust._thresholds",
    "TooMuchError": _ERRORS,
    "TrainingError": _ERRORS,
    "TrainingOptions": "mriclassify._training._options",
    "UnknownWeightsError": _ERRORS,
    "UnreadableFileError": _ERRORS,
    "UnsupportedFormatError": _ERRORS,
    "WeightsError": _ERRORS,
    "WeightsRecord": "mriclassify._weights._registry",
    "crop": "mriclassify._data._cropping",
    "draw_crop": "mriclassify._data._cropping",
    "draw_fade": "mriclassify._data._fading",
    "draw_graft": "mriclassify._data._grafting",
    "draw_infiltration": "mriclassify._data._infiltrating",
    "draw_recast": "mriclassify._data._recasting",
    "draw_sham": "mriclassify._data._healing",
    "draw_strip": "mriclassify._data._stripping",
    "fade": "mriclassify._data._fading",
    "graft": "mriclassify._data._grafting",
    "heal": "mriclassify._data._healing",
    "infiltrate": "mriclassify._data._infiltrating",
    "list_backbones": "mriclassify._model._backbones",
    "list_datasets": "mriclassify._catalogue",
    "list_weights": "mriclassify._weights._registry",
    "recast": "mriclassify._data._recasting",
    "sham": "mriclassify._data._healing",
    "strip": "mriclassify._data._stripping",
}

__all__ = [
    "CLASSES",
    "AppearanceLimits",
    "Audit",
    "Augmentation",
    "Bundle",
    "CacheError",
    "CalibrationError",
    "CatalogueEntry",
    "CheckpointError",
    "ChecksumError",
    "ClassMismatchError",
    "Classifier",
    "DamagedFileError",
    "Dataset",
    "DatasetError",
    "DeviceError",
    "DownloadError",
    "Epoch",
    "Explanation",
    "History",
    "LeakageError",
    "MissingExtraError",
    "MissingFileError",
    "MriClassifyError",
    "NetworkError",
    "NotFittedError",
    "OfflineError",
    "OptionError",
    "OutputError",
    "PixelError",
    "Prediction",
    "PredictionSet",
    "Preprocessing",
    "ReadError",
    "Recalibration",
    "Record",
    "Region",
    "Report",
    "SliceAnswer",
    "SplitError",
    "StudyPrediction",
    "Synthesis",
    "TableError",
    "Thresholds",
    "TooMuchError",
    "TrainingError",
    "TrainingOptions",
    "UnknownWeightsError",
    "UnreadableFileError",
    "UnsupportedFormatError",
    "WeightsError",
    "WeightsRecord",
    "__version__",
    "crop",
    "draw_crop",
    "draw_fade",
    "draw_graft",
    "draw_infiltration",
    "draw_recast",
    "draw_sham",
    "draw_strip",
    "fade",
    "graft",
    "heal",
    "infiltrate",
    "list_backbones",
    "list_datasets",
    "list_weights",
    "recast",
    "sham",
    "strip",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mriclassify' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
