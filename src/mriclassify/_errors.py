"""Every error that mriclassify raises on purpose.

    MriClassifyError
    ├── ReadError (ValueError)                 a source did not become pixels
    │   ├── MissingFileError (FileNotFoundError)
    │   ├── UnreadableFileError (OSError)      the system refused to open or read it
    │   ├── UnsupportedFormatError             of a kind that is not read, or not an image at all
    │   │   └── TooMuchError                   more files, slices or bytes than are read
    │   ├── DamagedFileError                   of a known kind, but cut off or broken
    │   └── PixelError                         decoded, but the pixels can't be a slice
    ├── DatasetError (ValueError)              a folder, table or dataset is not as expected
    │   ├── ClassMismatchError                 class names do not fit
    │   ├── SplitError                         no such split can be made
    │   │   └── LeakageError                   its parts share patients or near-duplicates
    │   └── TableError                         a CSV file is not as expected
    ├── OptionError (ValueError)               an argument is out of range or unknown
    │   └── DeviceError                        no such device here
    ├── CalibrationError (ValueError)          the weights lack what is needed to tell when not to trust them
    ├── NetworkError (ValueError)              a backbone does not do what a network needs
    ├── NotFittedError (RuntimeError)          asked for an answer before training
    ├── TrainingError (RuntimeError)           training can't go on
    ├── WeightsError
    │   ├── UnknownWeightsError (ValueError)   no weights of that name, no file at that path
    │   ├── DownloadError (ConnectionError)    no source delivered the file
    │   │   └── OfflineError                   not in the cache, and downloads are switched off
    │   ├── ChecksumError (ValueError)         a file is not the one that was published
    │   ├── CacheError (OSError)               the cache folder can't be written
    │   └── CheckpointError (ValueError)       a file of weights is not one of ours, or not whole
    ├── OutputError (OSError)                  a result can't be written
    └── MissingExtraError (ImportError)        an optional dependency is not installed

Each also derives from the builtin that a caller would catch. A message says what was expected, what
came, which file, and what to do next.
"""


class MriClassifyError(Exception):
    """Base class of every error that mriclassify raises on purpose."""


class ReadError(MriClassifyError, ValueError):
    """A source could not be turned into the pixels of one slice."""


class MissingFileError(ReadError, FileNotFoundError):
    """There is no file at the path."""


class UnreadableFileError(ReadError, OSError):
    """The file is there, but the system refused to open or read it."""


class UnsupportedFormatError(ReadError):
    """The source is of a kind that mriclassify does not read, or not an image at all."""


class TooMuchError(UnsupportedFormatError):
    """A folder, an archive or a file holds, or claims, more than is read: files, slices or bytes."""


class DamagedFileError(ReadError):
    """The source is of a known kind, but cut off or broken."""


class PixelError(ReadError):
    """The source was decoded, but its pixels can't be a slice (NaN, blank, too small, wrong shape)."""


class DatasetError(MriClassifyError, ValueError):
    """A folder, a table or a dataset is not as expected."""


class ClassMismatchError(DatasetError):
    """Class names are unknown, collide, or differ between a dataset and a model."""


class SplitError(DatasetError):
    """The split that was asked for can't be made from this dataset."""


class LeakageError(SplitError):
    """The parts of a split share slices, patients or near-duplicates, and nobody has allowed it."""


class TableError(DatasetError):
    """A CSV file is not as expected; the message names the line."""


class OptionError(MriClassifyError, ValueError):
    """An argument is out of its range, or names something that does not exist."""


class DeviceError(OptionError):
    """The device that was asked for does not exist on this machine."""


class NetworkError(MriClassifyError, ValueError):
    """A backbone does not do what a network needs of it."""


class NotFittedError(MriClassifyError, RuntimeError):
    """An answer was asked of a classifier that has not been trained."""


class CalibrationError(MriClassifyError, ValueError):
    """Weights lack what was kept of training and validation slices for telling when not to trust an answer."""


class TrainingError(MriClassifyError, RuntimeError):
    """Training can't go on."""


class WeightsError(MriClassifyError):
    """Weights could not be found, fetched, verified, saved or loaded."""


class UnknownWeightsError(WeightsError, ValueError):
    """No weights are known by that name, and no file lies at that path."""


class DownloadError(WeightsError, ConnectionError):
    """No source delivered the file."""


class OfflineError(DownloadError):
    """The file is not in the cache, and downloads are switched off."""


class ChecksumError(WeightsError, ValueError):
    """A file's sha256 is not the published one."""


class CacheError(WeightsError, OSError):
    """The cache folder can't be read or written."""


class CheckpointError(WeightsError, ValueError):
    """A file of weights is not one of ours, is of another version, or is not whole."""


class OutputError(MriClassifyError, OSError):
    """A result can't be written where it was asked for."""


class MissingExtraError(MriClassifyError, ImportError):
    """An optional dependency is not installed; the message has the pip command."""
