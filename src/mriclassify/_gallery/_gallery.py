"""Gallery: answers and maps of a batch become a folder that opens in a browser."""

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mriclassify._answers import columns_of, write_answers
from mriclassify._errors import OptionError, OutputError, ReadError
from mriclassify._explaining._colours import INFERNO
from mriclassify._gallery._entries import STATUSES, Entry, sorted_entries
from mriclassify._gallery._folder import IMAGES, MARK, PAGE, TABLE, check_place, whole_folder
from mriclassify._gallery._names import anonymous, anonymous_name
from mriclassify._gallery._pictures import save_pictures
from mriclassify._gallery._summary import ANSWERED, counts_of, facts, meanings
from mriclassify._model._prediction import Prediction
from mriclassify._pages import page
from mriclassify._reading import name_of
from mriclassify._reading._checks import check_axis
from mriclassify._reading._sources import is_url

if TYPE_CHECKING:
    from mriclassify._classifier import Classifier

PLANES = ("sagittal", "coronal", "axial")


def save_gallery(
    clf: "Classifier",
    sources: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    anonymize: bool = False,
    axis: int = 2,
    index: int | None = None,
    allow_url: bool = False,
) -> Generator[Prediction, None, None]:
    """Yield an answer for each slice, in order, while a page of them grows; it is there when all have been taken.

    Each slice is explained, which takes about six times as long as to predict it. Pictures are written as answers
    come, so that memory grows by a few lines of text a slice. If the iterator is closed before its end nothing is left.

    Args:
        clf: a trained classifier.
        sources: paths, and URLs unless `anonymize`; a file that can't be read becomes a row that says why.
        folder: gets `index.html`, `answers.csv` and `images/`; an earlier report there is replaced wholly.
        anonymize: whether names in the folder become hashes of the files' contents. The answers that are yielded keep
            the names.
        axis: of volumes: 0 sagittal, 1 coronal, 2 axial.
        index: of the slice of volumes; None takes the middle one.
        allow_url: whether to fetch sources that begin with http:// or https://.

    Raises:
        OutputError: the folder holds something else, holds the scans, or can't be written.
        OptionError: an argument is out of its range; or a URL is to be hashed.
        NetworkError: the backbone makes no maps.
    """
    check_axis(axis)
    if index is not None and index < 0:
        raise OptionError(f"index must be a whole number of at least 0, or None for the middle, not {index}")
    target = Path(folder)
    check_place(target)
    _check_sources(sources, target, anonymize=anonymize)
    return _answers(clf, sources, target, anonymize=anonymize, axis=axis, index=index, allow_url=allow_url)


def _check_sources(sources: Sequence[str | os.PathLike[str]], folder: Path, *, anonymize: bool) -> None:
    within = folder.resolve()
    for source in sources:
        if is_url(source):
            if anonymize:
                raise OptionError(f"only names of files can be hashed: download {name_of(source)} first")
        # Where the earlier report lies among the scans, its pictures would be taken for some.
        elif "\0" not in os.fspath(source) and Path(source).absolute().is_relative_to(within):
            raise OutputError(
                f"{name_of(source)} is to be read, but lies in {folder}, which the report would replace: choose a "
                "folder that is not among the scans"
            )


def _answers(
    clf: "Classifier",
    sources: Sequence[str | os.PathLike[str]],
    folder: Path,
    *,
    anonymize: bool,
    axis: int,
    index: int | None,
    allow_url: bool,
) -> Generator[Prediction, None, None]:
    entries: list[Entry] = []
    with whole_folder(folder) as part:
        (part / IMAGES).mkdir()
        for number, source in enumerate(sources, 1):
            shows: tuple[str, ...] = ()
            failure: Exception | None = None
            try:
                explanation = clf.explain(source, axis=axis, index=index, allow_url=allow_url)
            except (ReadError, OptionError) as error:
                # OptionError: this volume has no slice of that index; the next one may.
                failure, answer = error, _failed(source, error, clf.bundle.name)
            else:
                answer, shows = explanation.prediction, save_pictures(explanation, part / IMAGES, number)
            shown = answer
            if anonymize:
                name = anonymous_name(source, number=number, index=index)
                shown = anonymous(answer, name, error=failure)
            entries.append(Entry(number, shown, shows))
            yield answer
        rows = (entry.answer for entry in entries)
        write_answers(rows, part / TABLE, columns=columns_of(clf.classes), append=False)
        html = _page(clf, entries, anonymize=anonymize, axis=axis, index=index)
        (part / PAGE).write_text(html, encoding="utf-8")


def _failed(source: str | os.PathLike[str], error: Exception, model: str) -> Prediction:
    reasons = (str(error),)
    return Prediction(source=name_of(source), label=None, confidence=None, status="error", reasons=reasons, model=model)


def _page(clf: "Classifier", entries: Sequence[Entry], *, anonymize: bool, axis: int, index: int | None) -> str:
    counts = counts_of(entries, clf.classes)
    slices = f"the {'middle one' if index is None else f'slice {index}'} of the {PLANES[axis]} slices"
    return page(
        "gallery.html",
        mark=MARK,
        entries=sorted_entries(entries),
        classes=clf.classes,
        statuses={status: sum(entry.answer.status == status for entry in entries) for status in STATUSES},
        answered=ANSWERED,
        counts=counts,
        meanings=meanings(clf.thresholds),
        facts=facts(model=clf.bundle.name, device=clf.device, slices=slices),
        has_lesions=any("lesion" in entry.shows for entry in entries),
        anonymize=anonymize,
        colours=", ".join(f"rgb{colour}" for colour in INFERNO),
    )
