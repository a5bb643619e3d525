"""FILES BECOME PIXELS: any picture, DICOM or NIfTI file, array or tensor becomes one slice of grey values."""

from mriclassify._reading._assembly import read_study
from mriclassify._reading._expansion import expand
from mriclassify._reading._folders import list_scans
from mriclassify._reading._limits import Limits
from mriclassify._reading._slice import Slice, read_slice
from mriclassify._reading._sources import Source, name_of
from mriclassify._reading._study import Failure, Place, Study
from mriclassify._reading._urls import fetch_bytes

__all__ = [
    "Failure",
    "Limits",
    "Place",
    "Slice",
    "Source",
    "Study",
    "expand",
    "fetch_bytes",
    "list_scans",
    "name_of",
    "read_slice",
    "read_study",
]
