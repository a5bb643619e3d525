"""The report: every figure of an evaluation, what it rests on, and whether to believe it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._evaluation._answers import check_answers
from mriclassify._evaluation._intervals import Interval, bootstrap_intervals
from mriclassify._evaluation._leakage import Leakage
from mriclassify._evaluation._metrics import ClassScores, confusion, score, score_classes
from mriclassify._evaluation._mistakes import Mistake, find_mistakes
from mriclassify._evaluation._parts import PartScores, score_sources, score_statuses
from mriclassify._evaluation._pictures import PICTURES, PictureOf
from mriclassify._evaluation._plain import plain
from mriclassify._evaluation._saving import save_report
from mriclassify._evaluation._text import as_markdown, as_table
from mriclassify._shapes import Probabilities, Targets
from mriclassify._trust._risk_coverage import RiskCoverage

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Report:
    """What an evaluation found; made by `make_report`. `print(report)` shows a table.

    Averages are macro averages over the classes that have slices in the test data; what is not
    defined there is None. Figures are 0..1 unless said otherwise.

    Args:
        accuracy: Part of the slices whose most probable class is the true one.
        balanced_accuracy: Mean recall, the same number as `recall`.
        macro_f1: Mean F1.
        precision: Mean precision.
        recall: Mean recall (sensitivity).
        specificity: Mean specificity; None when only one class is there.
        jaccard: Mean Jaccard index of true and predicted slices.
        loss: Cross-entropy of the probabilities in nats, 0 and more.
        auroc: Mean one-vs-rest area under the ROC curve; None when a class of the model is absent.
        brier: Mean squared distance of the probabilities from the truth, summed over the classes: 0..2.
        calibration_error: Expected calibration error of the confidence, 15 bins of equal width: the sum
            over bins of (part of the slices) * |accuracy - mean confidence| (Naeini 2015, Guo 2017).
        classes: In the order of rows and columns.
        confusion: (classes, classes) counts, rows true, columns predicted.
        per_class: Class -> its figures against the rest.
        per_source: Source -> accuracy of its slices; empty where fewer than two sources are named.
        per_status: "ok", "uncertain" or "rejected" -> accuracy of the answers that have it, whatever they are worth;
            empty where it is not known.
        intervals: Name of a figure ("accuracy", "recall glioma") -> its 95 % bootstrap interval. Empty
            when none was asked for or there is only one group.
        interval_unit: What was drawn: "group" or "slice". Slices of one patient are alike, so intervals
            over slices are too narrow where a patient has several.
        bootstrap: How many resamples were drawn.
        seed: Of the draws.
        n: Slices.
        n_groups: Patients or clusters of near-duplicates; None where they are not known.
        split: How the data were split, a sentence.
        leakage: Whether the model was trained on what it is tested on.
        model: Its name.
        unreadable: (file, error) of each file left out.
        settings: What else to know to repeat the evaluation.
        history: One mapping per epoch of the training, where it is known.
        names: File names of the slices.
        targets: (n,), index into the classes.
        probabilities: (n, classes), each row sums to 1.
        pictures: Makes the pictures of mistakes when the report is saved, from the files as they are then. It holds
            the model; a copy or a pickle of the report goes without.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    precision: float
    recall: float
    specificity: float | None
    jaccard: float
    loss: float
    auroc: float | None
    brier: float
    calibration_error: float
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    per_class: Mapping[str, ClassScores]
    per_source: Mapping[str, PartScores]
    per_status: Mapping[str, PartScores]
    intervals: Mapping[str, Interval]
    interval_unit: str
    bootstrap: int
    seed: int
    n: int
    n_groups: int | None
    split: str
    leakage: Leakage
    model: str
    unreadable: tuple[tuple[str, str], ...]
    settings: Mapping[str, object]
    history: tuple[Mapping[str, float], ...] | None
    names: tuple[str, ...]
    targets: Targets
    probabilities: Probabilities
    pictures: PictureOf | None = field(default=None)

    @property
    def risk_coverage(self) -> RiskCoverage:
        """How often an answer is wrong when only the surer ones are given."""
        return RiskCoverage.of(self.probabilities.max(axis=1), self.predicted == self.targets)

    @property
    def predicted(self) -> Targets:
        """Index of the most probable class of each slice: (n,)."""
        predicted: Targets = self.probabilities.argmax(axis=1)
        return predicted

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The slices answered wrongly, the most confident first."""
        return find_mistakes(
            probabilities=self.probabilities, targets=self.targets, classes=self.classes, names=self.names
        )

    def __getstate__(self) -> dict[str, Any]:
        # Pictures hold a network and its device, which a report for others must not need.
        return vars(self) | {"pictures": None}

    def __repr__(self) -> str:
        figures = f"accuracy={self.accuracy:.4f}, macro_f1={self.macro_f1:.4f}"
        return f"Report(model={self.model!r}, n={self.n}, {figures})"

    def __str__(self) -> str:
        return as_table(self)

    def to_dict(self) -> dict[str, object]:
        """Everything but the predictions of single slices, ready for JSON: plain numbers, None for NaN."""
        tables = ("per_class", "per_source", "per_status", "intervals")
        left_out = {"names", "targets", "probabilities", "pictures", "leakage", *tables}
        found = {name: plain(value) for name, value in vars(self).items() if name not in left_out}
        return {
            **found,
            "leakage": {
                **asdict(self.leakage),
                "leaks": self.leakage.leaks,
                "sentence": self.leakage.sentence,
            },
            **{table: {name: asdict(entry) for name, entry in getattr(self, table).items()} for table in tables},
            "risk_coverage": self.risk_coverage.to_dict(),
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
        }

    def to_markdown(self) -> str:
        """The report as a page; where the test data leaked, that is its first sentence."""
        return as_markdown(self)

    def save(self, folder: str | PathLike[str], *, pictures: int = PICTURES) -> tuple[Path, ...]:
        """Write report.html, report.json, report.md, predictions.csv and the plots.

        report.html is one page that needs no other file. With the most confident mistakes it shows the slices
        themselves, read again from their files: do not publish it where the slices must not be. The plots are
        confusion_matrix.png, roc.png, reliability.png, risk_coverage.png and, with a history,
        training_curves.png. Without matplotlib they are left out, and a logged warning says how to get them.
        All files are written beside their places and then moved there: none is ever half there.

        Args:
            folder: Made if missing. The files of an earlier report are replaced, other files stay as they are.
            pictures: How many mistakes to show on the page, 0 for none. A picture that can't be made becomes a
                sentence.

        Returns:
            The files written.

        Raises:
            OptionError: `pictures` is negative.
            OutputError: The folder is a file, can't be written, or holds a file of one of those names that is of no
                report.
        """
        return save_report(self, Path(folder), pictures=pictures)


def make_report(
    *,
    probabilities: Probabilities,
    targets: Targets,
    classes: tuple[str, ...],
    groups: Sequence[str] | None,
    split: str,
    leakage: Leakage,
    model: str,
    names: Sequence[str],
    unreadable: Sequence[tuple[str, str]] = (),
    sources: Sequence[str | None] | None = None,
    statuses: Sequence[str] | None = None,
    history: Sequence[Mapping[str, float]] | None = None,
    settings: Mapping[str, object] = _NOTHING,
    pictures: PictureOf | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Report:
    """Turn answers into a report.

    Args:
        probabilities: (n, classes), 0..1, calibrated; each row sums to 1 within 1e-4.
        targets: (n,), index into the classes.
        classes: The model's, in column order, two or more.
        groups: n names of patients or clusters of near-duplicates, which the intervals draw whole;
            None where they are not known, and slices are drawn.
        split: How the data were split, a sentence.
        leakage: What is known about test data in training.
        model: Its name.
        names: n file names.
        unreadable: (file, error) of each file left out.
        sources: n names of where the slices are from, None for each that is not known.
        statuses: n of "ok", "uncertain", "rejected".
        history: One mapping per epoch with `epoch`, `train_loss`, `validation_loss`, `validation_accuracy`,
            `validation_macro_f1`, `learning_rate`, `seconds`.
        settings: What else to know to repeat the evaluation.
        pictures: From the index of a slice to pictures of it, for the mistakes on the page; None for no pictures.
        bootstrap: Resamples for the intervals; 0 for none.
        seed: Of the resamples.

    Returns:
        The report; the arrays it holds are copies.

    Raises:
        DatasetError: There is no slice, or a target is no index into the classes.
        OptionError: Shapes do not fit, rows are no probabilities, or `bootstrap` is negative.

    Example:
        >>> import numpy as np
        >>> report = make_report(
        ...     probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
        ...     targets=np.array([0, 1, 1]),
        ...     classes=("glioma", "notumor"),
        ...     groups=["p1", "p2", "p3"],
        ...     split="by patient",
        ...     leakage=Leakage(checked=True, slices_seen=0, groups_seen=0, n_slices=3),
        ...     model="demo",
        ...     names=["a.png", "b.png", "c.png"],
        ... )
        >>> round(report.accuracy, 3), report.mistakes[0].name
        (0.667, 'c.png')
    """
    answers = check_answers(
        probabilities=probabilities,
        targets=targets,
        classes=classes,
        names=names,
        groups=groups,
        sources=sources,
        statuses=statuses,
    )
    rows, truth, labels = answers.probabilities, answers.targets, answers.classes
    intervals = bootstrap_intervals(
        probabilities=rows,
        targets=truth,
        classes=labels,
        groups=answers.groups,
        resamples=bootstrap,
        seed=seed,
    )
    counts = confusion(probabilities=rows, targets=truth)
    counts.setflags(write=False)
    return Report(
        **vars(score(probabilities=rows, targets=truth)),
        classes=labels,
        confusion=counts,
        per_class=score_classes(probabilities=rows, targets=truth, classes=labels),
        per_source=score_sources(answers, resamples=bootstrap, seed=seed),
        per_status=score_statuses(answers, resamples=bootstrap, seed=seed),
        intervals=intervals,
        interval_unit="slice" if answers.groups is None else "group",
        bootstrap=bootstrap,
        seed=seed,
        n=len(truth),
        n_groups=None if answers.groups is None else len(set(answers.groups)),
        split=split,
        leakage=leakage,
        model=model,
        unreadable=tuple((str(file), str(error)) for file, error in unreadable),
        settings=dict(settings),
        history=None if history is None else tuple(dict(row) for row in history),
        names=answers.names,
        targets=truth,
        probabilities=rows,
        pictures=pictures,
    )
