"""FILES BECOME PIXELS: any picture, DICOM or NIfTI file, array or tensor becomes one slice of grey values."""

from mriclassify._reading._folders import list_scans
from mriclassify._reading._slice import Slice, read_slice
from mriclassify._reading._sources import Source, name_of

__all__ = ["Slice", "Source", "list_scans", "name_of", "read_slice"]
