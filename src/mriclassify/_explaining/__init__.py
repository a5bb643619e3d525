"""WHERE DOES AN ANSWER COME FROM: heat maps, the lesion's position, and pictures of both."""

from mriclassify._explaining._explaining import explain
from mriclassify._explaining._explanation import Explanation
from mriclassify._explaining._methods import DEFAULT_METHOD, METHODS
from mriclassify._explaining._region import Region

__all__ = ["DEFAULT_METHOD", "METHODS", "Explanation", "Region", "explain"]
