"""AUDIT: what spoils a dataset before anything is trained on it."""

from mriclassify._data._audit._auditing import make_audit
from mriclassify._data._audit._findings import Audit
from mriclassify._data._audit._suspects import suspects

__all__ = ["Audit", "make_audit", "suspects"]
