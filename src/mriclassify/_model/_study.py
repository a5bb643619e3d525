"""Study: one answer for a series of slices, and the slices that it rests on."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mriclassify._data._preprocessing import TISSUE
from mriclassify._errors import PixelError, ReadError
from mriclassify._model._bundle import Bundle
from mriclassify._model._pooling import LEAST, pool, shows_brain
from mriclassify._model._prediction import Status
from mriclassify._reading import Study
from mriclassify._shapes import Pixels, Probabilities
from mriclassify._threads import map_batches, worker_count

THUMBNAIL = 64
"""Side of the pictures that a study's answer keeps of its slices, in pixels."""

MOST_REJECTED = 0.5
"""Where more than this share of a series' slices are rejected, all of it is; else these are left out of the answer."""

MOST_DISAGREEMENT = 0.5
"""Where more than this share of the slices that the answer rests on say something else, it is uncertain."""

Thumbnail = NDArray[np.float32]
"""(height, width), at most THUMBNAIL on the longer side, in the file's own units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAnswer:
    """What one slice of a series contributes.

    Attributes:
        index: its number in the series, from 0.
        name: of its file, frame or slice.
        position: millimetres along the series, or None.
        used: whether it had a say.
        reason: why not; empty if it had.
        label: its own most probable class, None if it could not be read.
        probabilities: class to calibrated probability; empty if it could not be read.
        thumbnail: a small picture of it, 0..255; None if it could not be read.
    """

    index: int
    name: str
    position: float | None
    used: bool
    reason: str = ""
    label: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    thumbnail: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields but for the thumbnail."""
        values = asdict(self)
        del values["thumbnail"]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPrediction:
    """The answer for a series.

    How slices are combined, and why so, is said in the guide "Formats and series".

    Attributes:
        source: the folder or file, or what was passed, in words.
        label: the most probable class.
        confidence: probability of `label`, 0..1. The slices' probabilities are calibrated; how they are combined
            is not, for want of labelled series.
        probabilities: class to probability, in the model's class order, summing to 1.
        status: "ok"; "uncertain" if the answer must not be relied on; "rejected" if most slices are no brain MR slices.
        reasons: why the status is not "ok".
        slices: one for each slice of the series, in order.
        resting_on: indices of the slices that the answer rests on, the one with the most evidence first.
        disagreement: share of these whose own answer is another class, 0..1.
        model: the name of the weights.
        device: where it was computed.
    """

    source: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    status: Status
    reasons: tuple[str, ...]
    slices: tuple[SliceAnswer, ...] = field(repr=False)
    resting_on: tuple[int, ...]
    disagreement: float
    model: str
    device: str

    @property
    def left_out(self) -> dict[str, int]:
        """How many slices had no say, by reason."""
        reasons = [answer.reason for answer in self.slices if not answer.used]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, strings and numbers, without pictures."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "slices"}
        return {
            **values,
            "reasons": list(self.reasons),
            "resting_on": list(self.resting_on),
            "left_out": self.left_out,
            "slices": [answer.to_dict() for answer in self.slices],
        }

    def to_json(self) -> str:
        """Return the fields as one line of JSON, without pictures."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        used = sum(answer.used for answer in self.slices)
        answer = f"{self.label} {self.confidence:.3f} {self.status}, from {used} of {len(self.slices)} slices"
        return " · ".join([f"{self.source}: {answer}", *self.reasons])

    def save_strip(self, path: str | os.PathLike[str]) -> None:
        """Save a picture of all slices with their answers, those that the answer rests on framed.

        Raises:
            MissingExtraError: matplotlib is not installed (extra `plot`).
            OutputError: the file can't be written.
        """
        from mriclassify._model._strip import save_strip  # the extra is asked for only here

        save_strip(self, path)


class _Read(NamedTuple):
    image: NDArray[np.float32]
    thumbnail: Thumbnail
    notes: tuple[str, ...]
    objections: tuple[str, ...]


def answer_study(
    bundle: Bundle, study: Study, *, source: str, device: torch.device, batch_size: int
) -> StudyPrediction:
    """Return the answer for a series; pixels of one batch at a time are held.

    Raises:
        PixelError: no slice of it can be read.
    """
    read: dict[int, _Read] = {}
    failed: dict[int, str] = {}
    logits = []
    against: list[tuple[str, ...]] = []
    for numbers, items in _batches(bundle, study, batch_size):
        good = {k: item for k, item in zip(numbers, items, strict=True) if isinstance(item, _Read)}
        failed |= {k: item for k, item in zip(numbers, items, strict=True) if isinstance(item, str)}
        if good:
            images = torch.from_numpy(np.stack([item.image for item in good.values()]))
            outputs = bundle.ask(images)
            logits.append(outputs.logits)
            unlike = bundle.unfamiliar(outputs)
            against += [(*item.objections, *far) for item, far in zip(good.values(), unlike, strict=True)]
        read |= {k: item._replace(image=_NOTHING) for k, item in good.items()}
    if not read:
        raise PixelError(f"{source}: none of its {len(study)} slices can be read; the first: {failed[0]}")
    probabilities = bundle.probabilities(torch.cat(logits))
    brain = _brain(study, [item.thumbnail for item in read.values()])
    of_brain = [sentences for sentences, shown in zip(against, brain, strict=True) if shown]
    say = _Say(brain, np.array([bool(sentences) for sentences in against]), _common(of_brain))
    return _combined(bundle, study, read, failed, probabilities, say, source=source, device=str(device))


class _Say(NamedTuple):
    """Which slices have a say."""

    brain: NDArray[np.bool_]  # those that show enough of the head
    against: NDArray[np.bool_]  # those that are no brain MR slices, as far as can be told
    reason: str  # what is said against most of them

    @property
    def rejected(self) -> bool:
        """Whether the whole series is: then its slices are heard all the same, so that there is an answer."""
        return bool(self.against[self.brain].mean() > MOST_REJECTED)

    @property
    def used(self) -> NDArray[np.bool_]:
        return self.brain if self.rejected else self.brain & ~self.against

    def why_not(self, number: int) -> str:
        if self.used[number]:
            return ""
        return "It shows little of the head." if not self.brain[number] else "It is unlike a brain MR slice."


def _common(against: Sequence[tuple[str, ...]]) -> str:
    """Return the sentence that most slices have first, without its figures, which differ."""
    first = Counter(sentences[0].split(":")[0] for sentences in against if sentences)
    return f"{first.most_common(1)[0][0]}." if first else ""


_NOTHING = np.zeros(0, np.float32)


def _batches(bundle: Bundle, study: Study, batch_size: int) -> Iterator[tuple[Sequence[int], list[_Read | str]]]:
    numbers = range(len(study))
    batches = [numbers[start : start + batch_size] for start in range(0, len(study), batch_size)]

    def read(number: int) -> _Read | str:
        try:
            scan = study.read(number)
        except ReadError as error:
            return str(error)
        return _Read(bundle.image(scan), _thumbnail(scan.pixels), scan.notes, bundle.objections(scan))

    yield from zip(batches, map_batches(read, batches, workers=worker_count()), strict=True)


def _thumbnail(pixels: Pixels) -> Thumbnail:
    height, width = pixels.shape
    scale = THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _brain(study: Study, thumbnails: Sequence[Thumbnail]) -> NDArray[np.bool_]:
    """Return which slices show enough tissue; pictures in a folder need have no common scale, and all count."""
    if study.kind == "pictures":
        return np.ones(len(thumbnails), bool)
    # The window of each slice alone would turn the noise of an empty one into tissue: one scale for all.
    lowest = min(float(thumbnail.min()) for thumbnail in thumbnails)
    high = float(np.median([np.percentile(thumbnail, 99) for thumbnail in thumbnails]))
    threshold = lowest + TISSUE * (high - lowest)
    return shows_brain(np.array([float((thumbnail > threshold).mean()) for thumbnail in thumbnails]))


def _combined(
    bundle: Bundle,
    study: Study,
    read: dict[int, _Read],
    failed: dict[int, str],
    probabilities: Probabilities,
    say: _Say,
    *,
    source: str,
    device: str,
) -> StudyPrediction:
    numbers, used = np.array(list(read)), say.used
    pooled = pool(probabilities[used], bundle.classes)
    best = int(pooled.probabilities.argmax())
    confidence = float(pooled.probabilities[best])
    resting = tuple(study.places[number].index for number in numbers[used][list(pooled.resting)])
    notes = dict.fromkeys(note for item in read.values() for note in item.notes)
    against = [f"Most of its slices are no brain MR slices. {say.reason}"] if say.rejected else []
    reasons = (
        *against,
        *study.notes,
        *notes,
        *_doubts(bundle, confidence, used=int(used.sum()), disagreement=pooled.disagreement),
    )
    reasons_of = [say.why_not(row) for row in range(len(used))]
    rows = dict(zip(read, zip(probabilities, reasons_of, strict=True), strict=True))
    return StudyPrediction(
        source=source,
        label=bundle.classes[best],
        confidence=confidence,
        probabilities={label: float(p) for label, p in zip(bundle.classes, pooled.probabilities, strict=True)},
        status="rejected" if against else "uncertain" if reasons else "ok",
        reasons=reasons,
        slices=tuple(
            _unread(study, number)
            if number in failed
            else _slice_answer(bundle, study, number, *rows[number], thumbnail=read[number].thumbnail)
            for number in range(len(study))
        ),
        resting_on=resting,
        disagreement=pooled.disagreement,
        model=bundle.name,
        device=device,
    )


def _doubts(bundle: Bundle, confidence: float, *, used: int, disagreement: float) -> Iterator[str]:
    least = bundle.thresholds.uncertain_below
    if confidence < least:
        yield f"The confidence of {confidence:.2f} is below {least:.2f}."
    if used < LEAST:
        yield f"Only {used} {'slice' if used == 1 else 'slices'} could be used: an answer for a series needs {LEAST}."
    if disagreement > MOST_DISAGREEMENT:
        yield f"{disagreement:.0%} of the slices that the answer rests on say something else."


def _unread(study: Study, number: int) -> SliceAnswer:
    place = study.places[number]
    return SliceAnswer(
        index=place.index, name=place.name, position=place.position, used=False, reason="It could not be read."
    )


def _slice_answer(
    bundle: Bundle,
    study: Study,
    number: int,
    probabilities: NDArray[np.float64],
    reason: str,
    *,
    thumbnail: Thumbnail,
) -> SliceAnswer:
    place = study.places[number]
    return SliceAnswer(
        index=place.index,
        name=place.name,
        position=place.position,
        used=not reason,
        reason=reason,
        label=bundle.classes[int(probabilities.argmax())],
        probabilities={label: float(p) for label, p in zip(bundle.classes, probabilities, strict=True)},
        thumbnail=_visible(bundle, thumbnail),
    )


def _visible(bundle: Bundle, thumbnail: Thumbnail) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = (bundle.preprocessing.windowed(thumbnail).clip(0, 1) * 255).astype(np.uint8)
    return shown
