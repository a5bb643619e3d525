"""A NAME BECOMES A FOLDER: the public sets, what is wrong with each, and how to get it."""

from mriclassify._catalogue._describing import CatalogueFile, describe_files
from mriclassify._catalogue._downloading import download
from mriclassify._catalogue._entries import CatalogueEntry, RemoteFile
from mriclassify._catalogue._finding import locate, usual_root
from mriclassify._catalogue._sets import find_entry, list_datasets
from mriclassify._catalogue._verifying import Verification, verify

__all__ = [
    "CatalogueEntry",
    "CatalogueFile",
    "RemoteFile",
    "Verification",
    "describe_files",
    "download",
    "find_entry",
    "list_datasets",
    "locate",
    "usual_root",
    "verify",
]
