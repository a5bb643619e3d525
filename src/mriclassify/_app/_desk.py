"""Desk: what a page asks for is read, answered and remembered. Nothing here knows of Gradio."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriclassify._app._answers import answer_html, picture_html, problem_html, row_of, said
from mriclassify._app._scans import Scan, scans_of
from mriclassify._app._uploads import take
from mriclassify._app._visits import Answer, Visit, Visits
from mriclassify._errors import NetworkError, OptionError, ReadError
from mriclassify._model._prediction import Prediction
from mriclassify._model._study import StudyPrediction

if TYPE_CHECKING:
    from mriclassify._app._answers import Layer
    from mriclassify._classifier import Classifier

FORGOTTEN = (
    "The scan is no longer in memory: it is kept for half an hour at most, and for the pages that were used last. "
    "Drop it again."
)

NOTHING = "Nothing arrived. Drop the files again."


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page shows.

    Attributes:
        said: a sentence that is read out; None leaves what was said.
        rows: the list of answers.
        chosen: number of the one that is shown, from 0.
        count: slices of the scan that is shown.
        number: which of them, from 0.
        has_picture: whether there is a slice to lay a map over.
        answer: HTML.
        picture: HTML.
    """

    said: str | None = None
    rows: Sequence[str] = ()
    chosen: int = 0
    count: int = 1
    number: int = 0
    has_picture: bool = False
    answer: str = ""
    picture: str = ""


class Desk:
    """Answers what pages ask, one after the other."""

    def __init__(self, clf: "Classifier", *, folder: Path) -> None:
        """Answer with `clf`; `folder` is where uploads lie until they are taken."""
        self.clf, self.folder, self.visits = clf, folder, Visits()

    def drop(
        self, key: str, files: Iterable[Mapping[str, Any]], *, layer: "Layer", opacity: float
    ) -> Iterator[View | str]:
        """Yield what to say while the files of page `key` are answered, and then what it shows."""
        self.visits.end(key)
        try:
            scans = scans_of(take(files, self.folder))
        except ReadError as error:
            yield _problem(str(error))
            return
        if not scans:
            yield _problem(NOTHING)
            return
        answers: list[Answer] = []
        for number, scan in enumerate(scans, 1):
            yield f"Looking at {scan.name}, {number} of {len(scans)} …"
            answers.append(self._answer(scan))
        visit = Visit(scans, answers)
        self._show(visit, 0)
        self.visits.begin(key, visit)
        yield self._view(visit, layer, opacity, words=said([scan.name for scan in scans], answers))

    def choose(self, key: str, chosen: int, *, layer: "Layer", opacity: float) -> View:
        """Show another answer of the list."""
        visit = self.visits.find(key)
        if visit is None or not 0 <= chosen < len(visit.scans):
            return _forgotten()
        self._show(visit, chosen)
        return self._view(visit, layer, opacity, words=said([visit.scan.name], [visit.answer]))

    def scroll(self, key: str, number: int, *, layer: "Layer", opacity: float) -> View:
        """Show another slice of the series."""
        visit = self.visits.find(key)
        if visit is None or not 0 <= number < visit.scan.count:
            return _forgotten()
        self._explain(visit, number)
        return self._view(visit, layer, opacity)

    def repaint(self, key: str, *, layer: "Layer", opacity: float) -> View:
        """Show the same slice with another map, or more or less of it."""
        visit = self.visits.find(key)
        return _forgotten() if visit is None else self._view(visit, layer, opacity)

    def _answer(self, scan: Scan) -> Answer:
        try:
            if scan.fault:
                raise ReadError(scan.fault)
            if scan.study is None:
                return self.clf.predict(scan.upload.opened())
            return self.clf.predict_study(scan.upload.opened(), series=scan.series)
        except (ReadError, OptionError) as error:
            return Prediction(
                source=scan.name, label=None, confidence=None, status="error", reasons=(scan.named(str(error)),)
            )

    def _show(self, visit: Visit, chosen: int) -> None:
        visit.chosen = chosen
        answer = visit.answer
        self._explain(visit, answer.resting_on[0] if isinstance(answer, StudyPrediction) and answer.resting_on else 0)

    def _explain(self, visit: Visit, number: int) -> None:
        visit.number, visit.explanation = number, None
        if visit.answer.status == "error":
            return
        try:
            source, index = visit.scan.source(number)
            visit.explanation = self.clf.explain(source, index=index)
        except (ReadError, OptionError, NetworkError):
            # One slice of a series is broken, or the backbone makes no maps: the answer is there all the same.
            return

    def _view(self, visit: Visit, layer: "Layer", opacity: float, *, words: str | None = None) -> View:
        has_picture = visit.explanation is not None
        is_read = visit.answer.status != "error"
        return View(
            said=words,
            rows=[row_of(k, *row) for k, row in enumerate(zip(_names(visit.scans), visit.answers, strict=True), 1)],
            chosen=visit.chosen,
            count=visit.scan.count,
            number=visit.number,
            has_picture=has_picture,
            answer=answer_html(visit),
            picture=picture_html(visit, layer=layer, opacity=opacity, folder=self.folder) if is_read else "",
        )


def _names(scans: Sequence[Scan]) -> list[str]:
    return [scan.name for scan in scans]


def _problem(text: str) -> View:
    return View(said=text, answer=problem_html(text))


def _forgotten() -> View:
    return _problem(FORGOTTEN)
