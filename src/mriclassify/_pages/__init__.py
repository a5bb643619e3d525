"""WHAT CAN BE OPENED IN A BROWSER: pages that ask no server for anything."""

from mriclassify._pages._page import data_uri, page

__all__ = ["data_uri", "page"]
