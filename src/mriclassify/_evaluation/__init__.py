"""Answers become a report: figures with intervals, checked for leaks, written to a folder.

This room needs no torch: it sees probabilities, not networks. It does import scikit-learn (about a
second), so load it only when something is to be evaluated.
"""

from mriclassify._evaluation._intervals import Interval
from mriclassify._evaluation._leakage import Leakage
from mriclassify._evaluation._metrics import ClassScores
from mriclassify._evaluation._mistakes import Mistake
from mriclassify._evaluation._parts import PartScores
from mriclassify._evaluation._pictures import Picture
from mriclassify._evaluation._report import Report, make_report

__all__ = ["ClassScores", "Interval", "Leakage", "Mistake", "PartScores", "Picture", "Report", "make_report"]
