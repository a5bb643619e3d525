"""Robustness: what each corruption at each strength costs, on a part of the fold that is drawn by lot."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from _trust_figures import SEED, Figure, Flags, Floats, mean
from _trust_sections import Section
from _trust_slices import BATCH
from corruptions import CORRUPTIONS, REHEARSED, STRENGTHS
from numpy.typing import NDArray

from mriclassify import Classifier, Record
from mriclassify._reading import read_slice

Bytes = NDArray[np.uint8]


def drawn(records: Sequence[Record], count: int) -> list[Record]:
    """Return about `count` of the records, of each class in proportion, always the same."""
    rng = np.random.default_rng(SEED)
    ordered = sorted(records, key=lambda record: record.path)
    shares = Counter(record.label for record in ordered)
    found: list[Record] = []
    for label, size in sorted(shares.items()):
        own = [record for record in ordered if record.label == label]
        wanted = min(size, max(1, round(count * size / len(ordered))))
        found += [own[index] for index in np.sort(rng.choice(size, wanted, replace=False))]
    return found


def robustness(
    clf: Classifier, records: Sequence[Record], *, slices: int, strengths: Sequence[int] = STRENGTHS
) -> Section:
    """Return accuracy without and with each corruption, and what it loses on the mean, by strength.

    `mean_unrehearsed` is of those alone whose like was not among the augmentation of the training.

    Slices are corrupted as files of 8 bits hold them, before any preprocessing. A slice keeps its random numbers at
    every strength and for every model, so that only strengths and models differ.
    """
    part = drawn(records, slices)
    pictures = [_bytes(read_slice(record.path).pixels) for record in part]
    labels, groups = [record.label for record in part], [record.group or str(record.path) for record in part]
    clean, _ = _asked(clf, iter(pictures), labels)
    section: Section = {"slices": len(part), "clean": mean(clean, groups), "corruptions": {}}
    section |= {"mean": {}, "mean_unrehearsed": {}, "rehearsed": sorted(REHEARSED)}
    lost: dict[int, list[Floats]] = {strength: [] for strength in strengths}
    for number, name in enumerate(CORRUPTIONS):
        section["corruptions"][name] = {}
        for strength in strengths:
            right, statuses = _asked(clf, _corrupted(pictures, number, name, strength), labels)
            lost[strength].append(clean.astype(np.float64) - right)
            section["corruptions"][name][str(strength)] = _figures(right, lost[strength][-1], statuses, groups)
    new = [number for number, name in enumerate(CORRUPTIONS) if name not in REHEARSED]
    for strength, losses in lost.items():
        section["mean"][str(strength)] = {"lost": mean(np.mean(losses, axis=0), groups)}
        unrehearsed = np.mean([losses[number] for number in new], axis=0)
        section["mean_unrehearsed"][str(strength)] = {"lost": mean(unrehearsed, groups)}
    return section


def _figures(right: Flags, lost: Floats, statuses: NDArray[np.str_], groups: Sequence[str]) -> dict[str, Figure]:
    kinds = {status: mean(statuses == status, groups) for status in ("uncertain", "rejected")}
    return {"accuracy": mean(right, groups), "lost": mean(lost, groups), **kinds}


def _corrupted(pictures: Sequence[Bytes], number: int, name: str, strength: int) -> Iterator[Bytes]:
    for index, picture in enumerate(pictures):
        rng = np.random.default_rng([SEED, number, index])
        made = CORRUPTIONS[name](picture.astype(np.float32) / 255, strength, rng)
        yield np.round(made * 255).astype(np.uint8)


def _asked(clf: Classifier, pictures: Iterator[Bytes], labels: Sequence[str]) -> tuple[Flags, NDArray[np.str_]]:
    """Return whether each answer is right, which one that can't be read is not, and its status."""
    answers = list(clf.predict_many(pictures, batch_size=BATCH))
    right = np.array([answer.label == label for answer, label in zip(answers, labels, strict=True)])
    return right, np.array([answer.status for answer in answers])


def _bytes(pixels: NDArray[np.float32]) -> Bytes:
    """Return the pixels of a file of 8 bits as it holds them."""
    return np.round(np.clip(pixels, 0, 255)).astype(np.uint8)
