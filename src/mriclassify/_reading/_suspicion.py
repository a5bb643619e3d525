"""What a DICOM file says of itself that speaks against an answer.

Of the file's words only a two-letter modality is repeated: any other may be a patient's.
"""

from pydicom.dataset import Dataset

# Secondary Capture Image Storage, and its multi-frame kinds.
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_CAPTURED_BY = {"WSD", "SI", "DF", "DV", "SD", "DRW"}
"""Conversion Type: workstation, scanned image, digitised film, digitised video, scanned document, drawing."""


def notes_of(dataset: Dataset) -> tuple[str, ...]:
    """Return short sentences; none for an original MR image."""
    kinds = _words(dataset, "ImageType")
    notes = [_modality(dataset)]
    if _is_capture(dataset, kinds):
        notes.append("It is a secondary capture (a screen or a scanned film), not the scanner's own image.")
    elif "DERIVED" in kinds[:1]:
        notes.append("It is derived from other images (ImageType DERIVED), not as the scanner made it.")
    if "LOCALIZER" in kinds:
        notes.append("It is a localizer, made to plan other slices.")
    if dataset.get("SamplesPerPixel", 1) != 1 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        notes.append("It is a colour picture, not the scanner's own values.")
    if dataset.get("BurnedInAnnotation") == "YES":
        notes.append("Text is burnt into the picture.")
    return tuple(note for note in notes if note)


def is_mr(dataset: Dataset) -> bool:
    """Whether the file says that it is MR."""
    return str(dataset.get("Modality") or "") == "MR"


def _modality(dataset: Dataset) -> str:
    modality = str(dataset.get("Modality") or "")
    if not modality:
        return "Modality is not stated, so it may not be MR."
    if is_mr(dataset):
        return ""
    known = len(modality) == 2 and modality.isascii() and modality.isalpha() and modality.isupper()
    return f"Modality is {modality}, not MR." if known else "Modality is not MR."


def _is_capture(dataset: Dataset, kinds: tuple[str, ...]) -> bool:
    sop_class = str(dataset.get("SOPClassUID") or "")
    return (
        sop_class == _CAPTURE
        or sop_class.startswith(f"{_CAPTURE}.")
        or str(dataset.get("ConversionType") or "") in _CAPTURED_BY
        or any("SCREEN" in kind for kind in kinds)
    )


def _words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an element that holds one or several words, in capitals."""
    value = dataset.get(keyword) or ()
    return tuple(str(word).upper() for word in ([value] if isinstance(value, str) else value))
