"""What a status means is said with the thresholds that decided it."""

from mriclassify import Thresholds
from mriclassify._gallery._summary import meanings


def test_a_rejection_names_the_checks_that_there_are_and_their_limits() -> None:
    said = meanings(Thresholds(unfamiliar_above=1.97, ct_above=0.244))["rejected"]
    assert said.startswith("Its pixels are unlike a brain MR slice's, or it is unlike the slices that the model")
    assert "(distance above 2.0), or it looks like computed tomography (likeness above 0.24): the answer" in said
    assert meanings(Thresholds())["rejected"].startswith("Its pixels are unlike a brain MR slice's: the answer")
    assert meanings(Thresholds(appearance=None))["rejected"] == "These thresholds reject nothing."


def test_uncertain_names_the_confidence() -> None:
    assert "below 0.85" in meanings(Thresholds(uncertain_below=0.85))["uncertain"]
