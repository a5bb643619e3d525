"""Visits are remembered for a while, and not more than a few."""

from mriclassify._app._visits import Visit, Visits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_visit_is_found_until_it_ends() -> None:
    visits, visit = Visits(), Visit()
    visits.begin("page", visit)
    assert visits.find("page") is visit
    assert visits.find("another") is None
    visits.end("page")
    visits.end("page")
    assert visits.find("page") is None


def test_a_visit_that_asks_nothing_is_forgotten() -> None:
    clock = Clock()
    visits = Visits(seconds=10, clock=clock)
    visits.begin("asks", Visit())
    visits.begin("silent", Visit())
    clock.now = 8
    assert visits.find("asks")
    clock.now = 12
    visits.forget_old()
    assert len(visits) == 1
    assert visits.find("asks")


def test_the_visit_used_least_recently_makes_room() -> None:
    visits = Visits(most=2)
    visits.begin("a", Visit())
    visits.begin("b", Visit())
    visits.find("a")
    visits.begin("c", Visit())
    assert visits.find("b") is None
    assert visits.find("a")
    assert visits.find("c")
