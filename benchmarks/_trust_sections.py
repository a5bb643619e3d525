"""The sections of `trust.py` but robustness: each asks, and returns plain figures by name."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from _trust_figures import (
    RESAMPLES,
    SEED,
    Figure,
    area_under_roc,
    balanced,
    mean,
    mean_of_groups,
    missing,
    plain,
    reliability,
)
from _trust_slices import BATCH, FIGSHARE, OTHERS, TUMOUR, Asked, looked, outlined, with_outlines
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from slices import CT, LESIONS, hashes_of, listed_in

from mriclassify import Classifier, Dataset, Record, Report
from mriclassify._likeness._hashing import NEAR_RADIUS
from mriclassify._likeness._near import near_between
from mriclassify._reading import read_slice
from mriclassify._trust._risk_coverage import RiskCoverage

Section: TypeAlias = dict[str, Any]
"""Name to figure, or to a dictionary of these; or `left_out`, with the reason why there is nothing else."""

HEADLINES = (
    *("accuracy", "balanced_accuracy", "macro_f1", "precision", "recall", "specificity", "jaccard"),
    *("auroc", "loss", "brier", "calibration_error"),
)
STATUSES = ("ok", "uncertain", "rejected")
SURE = 0.9
COVERAGES = (0.90, 0.95)
ANSWERED = (0.8, 0.9, 1.0)
NO_MAP = "the network has no lesion head"
NO_SETS = "the weights have no conformal scores"


def left_out(reason: str) -> Section:
    """Return a section that holds nothing but why."""
    return {"left_out": reason}


def on_fold(clf: Classifier, asked: Asked, others: Sequence[Record], *, disputed: Path | None, data: Path) -> Section:
    """Return what the report says, the statuses, and the figures of each source; `others` are those of other folds."""
    report = clf.evaluate(Dataset(asked.records), bootstrap=RESAMPLES, seed=SEED)
    headlines = {name: _reported(report, name, getattr(report, name)) for name in HEADLINES}
    ok = asked.has("ok")
    return {
        "slices": report.n,
        "groups": report.n_groups,
        "leakage": report.leakage.sentence,
        **headlines,
        "by_class": {label: _of_class(report, label) for label in report.classes},
        "confusion": report.confusion.tolist(),
        **{status: mean(asked.has(status), asked.groups) for status in STATUSES},
        "accuracy_of_ok": mean(asked.correct[ok], asked.of_group(ok)),
        "by_source": {source: _of_source(asked, source) for source in (FIGSHARE, OTHERS)},
        "disputed": None if disputed is None else _disputed(asked, disputed, data),
        "of_ct": _of_ct(asked, data),
        "of_lesions": _of_lesions(asked, data),
        "copies": _copies(asked, others),
    }


def _reported(report: Report, name: str, value: float | None) -> Figure:
    interval = report.intervals.get(name)
    return plain(value, *((interval.low, interval.high) if interval else ()), n=report.n)


def _of_class(report: Report, label: str) -> Section:
    scores = report.per_class[label]
    return {
        "slices": scores.support,
        "recall": _reported(report, f"recall {label}", scores.recall) | {"n": scores.support},
        **{name: plain(getattr(scores, name), n=scores.support) for name in ("precision", "specificity", "jaccard")},
    }


def _of_source(asked: Asked, source: str) -> Section:
    here = np.array([record.source == source for record in asked.records])
    groups = asked.of_group(here)
    wrong_side = asked.seen != asked.tumour
    return {
        "accuracy": mean(asked.correct[here], groups),
        "wrong_about_tumour": mean(wrong_side[here], groups),
        "uncertain": mean(asked.has("uncertain")[here], groups),
        "rejected": mean(asked.has("rejected")[here], groups),
    }


def _disputed(asked: Asked, disputed: Path, data: Path) -> dict[str, int]:
    """Return how many errors there are, and how many of them are on slices whose label a list doubts."""
    doubted = listed_in(disputed, data) | listed_in(LESIONS, data)
    wrong = [asked.records[index].path for index in np.flatnonzero(~asked.correct)]
    return {"errors": len(wrong), "disputed": len(doubted.intersection(wrong))}


def _of_ct(asked: Asked, data: Path) -> Section | None:
    """Return how many of the slices that are of CT, whatever their label, are rejected, and of the others."""
    of_ct, rejected = _are_listed(asked, CT, data), asked.has("rejected")
    if not of_ct.any():
        return None
    return {
        "slices": int(of_ct.sum()),
        "rejected": mean(rejected[of_ct], asked.of_group(of_ct)),
        "others_rejected": mean(rejected[~of_ct], asked.of_group(~of_ct)),
    }


def _of_lesions(asked: Asked, data: Path) -> Section | None:
    """Return in how many of the slices that show a lesion, though their label denies it, a tumour is seen."""
    here = _are_listed(asked, LESIONS, data)
    if not here.any():
        return None
    return {"slices": int(here.sum()), "tumour_seen": mean(asked.seen[here], asked.of_group(here))}


def _copies(asked: Asked, others: Sequence[Record]) -> Section:
    """Return how many slices are near-duplicates of slices of other folds, and the figures of those that are none.

    Mirrored and turned copies count. The clusters of `folds.csv` keep copies together only as far as they lie alike.
    """
    pairs = near_between(hashes_of(asked.records), hashes_of(others), radius=NEAR_RADIUS)
    copied = np.isin(np.arange(len(asked.records)), pairs[:, 0])
    own, free = ~copied, ~copied & ~asked.tumour
    labels = np.array([record.label for record in asked.records])
    return {
        "slices": int(copied.sum()),
        "by_class": {label: int((labels[copied] == label).sum()) for label in asked.classes},
        "others": {
            "accuracy": mean(asked.correct[own], asked.of_group(own)),
            "tumour_free_called_so": mean(~asked.seen[free], asked.of_group(free)),
            "rejected": mean(asked.has("rejected")[own], asked.of_group(own)),
        },
    }


def _are_listed(asked: Asked, table: Path, data: Path) -> NDArray[np.bool_]:
    listed = listed_in(table, data)
    return np.array([record.path in listed for record in asked.records], dtype=bool)


def on_lgg(clf: Classifier, asked: Asked) -> Section:
    """Return what becomes of slices of other hospitals, whether a tumour is there or not."""
    tumour, seen = asked.tumour, asked.seen
    with_tumour, without = asked.of_group(tumour), asked.of_group(~tumour)
    glioma = np.array([answer.label == TUMOUR for answer in asked.answers])
    chance = 1 - asked.probabilities[:, asked.classes.index("notumor")]
    wrong = (seen != tumour) & (asked.confidence >= SURE) & asked.has("ok")
    highest = looked(clf, asked.records)[1]
    return {
        "slices": len(asked.records),
        "patients": len(set(asked.groups)),
        "tumour_seen": mean(seen[tumour], with_tumour),
        "tumour_free_called_so": mean(~seen[~tumour], without),
        "called_glioma": mean(glioma[tumour], with_tumour),
        "auroc": area_under_roc(chance, tumour, asked.groups),
        "auroc_of_map": missing(NO_MAP) if highest is None else area_under_roc(highest, tumour, asked.groups),
        "sure_and_wrong": mean(wrong, asked.groups),
        **{status: mean(asked.has(status), asked.groups) for status in STATUSES},
    }


def on_other_pictures(clf: Classifier, folder: Path) -> Section:
    """Return what becomes of pictures that are no brain MR slices, by kind: the name of their folder."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not files:
        return left_out(f"{folder} is not there")
    statuses = np.array([answer.status for answer in clf.predict_many(files, batch_size=BATCH)])
    kinds = np.array([file.parent.name for file in files])
    names = [str(file) for file in files]

    def share(status: str, kind: str | None = None) -> Figure:
        here = (kinds == kind) | (kind is None)
        return mean(statuses[here] == status, [name for name, inside in zip(names, here, strict=True) if inside])

    return {
        "pictures": len(files),
        **{status: share(status) for status in (*STATUSES, "error")},
        "by_kind": {str(kind): {s: share(s, kind) for s in ("ok", "rejected")} for kind in np.unique(kinds)},
    }


def calibration(asked: Asked) -> Section:
    """Return how often answers of each confidence are right; the error itself is among the fold's figures."""
    return {"bins": reliability(asked.probabilities, asked.targets)}


def prediction_sets(clf: Classifier, asked: Asked) -> Section:
    """Return, for each coverage, how often the true class is in the set, and how large sets are.

    By slice, and with each patient or cluster counted once, which is what the guarantee is about.
    """
    conformal = clf.bundle.conformal
    if conformal is None:
        return left_out(NO_SETS)
    return {f"{asks:.2f}": _sets(asked, conformal.sets(asked.probabilities, asks)) for asks in COVERAGES}


def _sets(asked: Asked, sets: np.ndarray) -> Section:
    holds = sets[np.arange(len(sets)), asked.targets]
    present = [k for k in range(len(asked.classes)) if (asked.targets == k).any()]
    return {
        "covered": mean(holds, asked.groups),
        "size": mean(sets.sum(axis=1), asked.groups),
        "empty": mean(~sets.any(axis=1), asked.groups),
        "by_class": {
            asked.classes[k]: {
                "covered": mean(holds[asked.targets == k], asked.of_group(asked.targets == k)),
                "covered_by_group": mean_of_groups(holds[asked.targets == k], asked.of_group(asked.targets == k)),
            }
            for k in present
        },
    }


def worst_gap(sections: Section) -> Figure:
    """Return the largest distance of a class's coverage from what was asked for, over classes and coverages."""
    if "left_out" in sections:
        return missing(sections["left_out"])
    covered = [(asks, c["covered"]) for asks in COVERAGES for c in sections[f"{asks:.2f}"]["by_class"].values()]
    return plain(max(abs(c["value"] - asks) for asks, c in covered), n=min(c["n"] for _, c in covered))


def risk_coverage(asked: Asked) -> Section:
    """Return how often answers are wrong when only the surest are given, and when those with status "ok" are."""
    curve = RiskCoverage.of(asked.confidence, asked.correct)
    n, ok = len(asked.records), asked.has("ok")
    places = np.searchsorted(np.array(curve.coverage), [share - 1e-9 for share in ANSWERED])
    return {
        "area": plain(curve.area, n=n),
        **{f"risk_at_{share:.1f}": plain(curve.risk[at], n=n) for share, at in zip(ANSWERED, places, strict=True)},
        "share_ok": mean(ok, asked.groups),
        "risk_of_ok": mean(~asked.correct[ok], asked.of_group(ok)),
    }


def lesions(clf: Classifier, records: Sequence[Record]) -> Section:
    """Return how well the lesion map finds the tumours of slices that have a mask."""
    if clf.bundle.network.lesion_head is None:
        return left_out(NO_MAP)
    inside, dice = outlined(clf, records)
    groups = [record.group or str(record.path) for record in records]
    return {"slices": len(records), "peak_inside": mean(inside, groups), "dice": mean(dice, groups)}


def lesions_of_fold(clf: Classifier, asked: Asked, data: Path) -> Section:
    """Return `lesions` of the fold's slices that have a mask."""
    with tempfile.TemporaryDirectory() as folder:
        return lesions(clf, with_outlines(asked.records, data, Path(folder)))


def source_probe(clf: Classifier, fold: Asked, lgg: Asked) -> Section:
    """Return how well a linear model tells tumour-free slices of the fold from those of `external_lgg`.

    Logistic regression with balanced classes on the standardised features, five folds by group; chance is 0.5, and
    0.5 is what a network would have that looks at nothing but the head. A set of one patient (`dicom_t1`) can't take
    part: a model that has seen it would know the patient, not the scanner.
    """
    records = [record for asked in (fold, lgg) for record in asked.records if record.label == "notumor"]
    outside = np.array([record.source is None for record in records])
    groups = [record.group or str(record.path) for record in records]
    features = looked(clf, records)[0]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=SEED)
    told = cross_val_predict(probe, features, outside, groups=groups, cv=folds)
    return {
        "fold_slices": int((~outside).sum()),
        "lgg_slices": int(outside.sum()),
        "balanced_accuracy": balanced(told == outside, outside.astype(np.int64), groups),
    }


def speed(clf: Classifier, files: Sequence[Path], *, rounds: int = 5) -> Section:
    """Return processor time a slice on one core at batch 32 in milliseconds, the median of several rounds.

    `network` alone, and `file_to_answer` with reading; with the default precision and with bf16, and how far that moves
    the answers. Only figures of one machine can be compared.
    """
    precision = clf.precision
    with _one_core():
        try:
            times = _times(clf, files, rounds)
            exact = clf.predict_proba(files)
            clf.precision = "bf16"
            halved = _times(clf, files, rounds)
            shift = np.abs(clf.predict_proba(files) - exact)
        finally:
            clf.precision = precision
    return {
        "machine": _processor(),
        **times,
        "bf16": {
            **halved,
            "largest_shift": plain(float(shift.max()), n=len(files)),
            "mean_shift": plain(float(shift.mean()), n=len(files)),
        },
    }


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and those that it begins, on one core: on several, they would slow each other down."""
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    torch.set_num_threads(1)
    try:
        if cores:
            os.sched_setaffinity(0, {max(cores)})
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def _times(clf: Classifier, files: Sequence[Path], rounds: int) -> Section:
    images = torch.from_numpy(np.stack([clf.bundle.image(read_slice(file)) for file in files]))
    alone = [_milliseconds(lambda: _infer_all(clf, images), len(files)) for _ in range(rounds + 1)]
    whole = [_milliseconds(lambda: _answer_all(clf, files), len(files)) for _ in range(rounds + 1)]
    return {
        "network": plain(statistics.median(alone[1:]), n=len(files)),
        "file_to_answer": plain(statistics.median(whole[1:]), n=len(files)),
    }


def _infer_all(clf: Classifier, images: torch.Tensor) -> None:
    for batch in images.split(BATCH):
        clf.bundle.ask(batch)


def _answer_all(clf: Classifier, files: Sequence[Path]) -> None:
    list(clf.predict_many(files, workers=1, batch_size=BATCH))


def _milliseconds(task: Any, count: int) -> float:
    # Of the processor, not of the clock: other programs may be taking their turns on the core.
    start = time.process_time()
    task()
    return 1000 * (time.process_time() - start) / count


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def thresholds(clf: Classifier) -> dict[str, Any]:
    """Return the numbers by which statuses are given, by name; None for infinity, which JSON lacks."""
    return _finite(asdict(clf.thresholds))


def _finite(entries: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _finite(value) if isinstance(value, dict) else None if value in (np.inf, -np.inf) else value
        for name, value in entries.items()
    }
