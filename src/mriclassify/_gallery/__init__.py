"""A BATCH BECOMES A PAGE: a folder with a table of answers, small pictures, and names that may be hashed."""

from mriclassify._gallery._gallery import save_gallery

__all__ = ["save_gallery"]
