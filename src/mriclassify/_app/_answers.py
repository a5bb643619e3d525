"""Answers: what is said of a scan, as HTML and as files to download. Nothing here knows of Gradio."""

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from mriclassify._app._visits import Answer, Visit
from mriclassify._errors import OptionError
from mriclassify._explaining import Explanation
from mriclassify._explaining._colours import INFERNO
from mriclassify._model._bundle import Bundle
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._prediction import Status
from mriclassify._model._study import StudyPrediction
from mriclassify._notice import NOTICE
from mriclassify._pages import data_uri, page
from mriclassify._version import __version__

Layer = Literal["heat", "lesion", "none"]
"""What is laid over the slice."""

WORDS: Mapping[Status, tuple[str, str, str]] = {
    "ok": ("OK", "good", "Nothing was found that speaks against this answer. It can still be wrong."),
    "uncertain": ("Uncertain", "warn", "Do not rely on this answer."),
    "rejected": ("Rejected", "bad", "This input should not have been asked: its answer means nothing."),
    "error": ("Not read", "bad", "There is no answer: the file could not be read."),
}
"""Of each status: its name, the class of its colour, and what it means."""

FIGURES: Mapping[str, str] = {
    "accuracy": "right answers, new patients of the same hospitals",
    "macro_f1": "macro-F1, the same slices",
    "calibration_error": "calibration error, the same slices (0 is best)",
    "lgg_tumour_seen": "other hospitals: a tumour is seen in slices that show one",
    "lgg_tumour_free_called_so": "other hospitals: tumour-free slices are called so",
    "lgg_auroc": "other hospitals: AUROC of tumour or not (0.5 is chance)",
    "not_brain_rejected": "pictures that are no brain MR slices are rejected",
}
"""What the names of measured figures mean; others are shown as they are."""

SHORTEST = 384
"""Pictures are shown at least so large, in pixels of their longer side: enlarged without smoothing."""


def answer_html(visit: Visit) -> str:
    """Return the answer that a page shows: class, probabilities, status and reasons."""
    answer = visit.answer
    name, tone, meaning = WORDS[answer.status]
    return page(
        "app_answer.html",
        source=visit.scan.name,
        status=name,
        tone=tone,
        meaning=meaning,
        label=answer.label,
        confidence=answer.confidence,
        is_doubtful=answer.status == "rejected",
        bars=_bars(answer.probabilities),
        reasons=[visit.scan.named(reason) for reason in answer.reasons],
        study=_study_facts(answer),
        model=answer.model,
    )


def _bars(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(label, 100 * value) for label, value in sorted(probabilities.items(), key=lambda item: -item[1])]


def _study_facts(answer: Answer) -> dict[str, Any] | None:
    if not isinstance(answer, StudyPrediction):
        return None
    return {
        "count": len(answer.slices),
        "used": sum(item.used for item in answer.slices),
        "resting_on": [number + 1 for number in answer.resting_on],
        "left_out": answer.left_out,
    }


def picture_html(visit: Visit, *, layer: Layer, opacity: float, folder: Path) -> str:
    """Return the slice with its map, what it shows in words, and the downloads.

    Args:
        visit: with an explanation.
        layer: what is laid over the slice.
        opacity: of the map, 0..1.
        folder: where a file may lie for a moment.
    """
    explanation = visit.explanation
    if explanation is None:
        return page("app_picture.html", picture=None, scan=visit.scan.name, json=json_uri(visit), stem=_stem(visit))
    shown: Layer = layer if layer != "lesion" or explanation.lesion_map is not None else "heat"
    overlay = explanation.overlay(show="heat" if shown == "none" else shown, opacity=0 if shown == "none" else opacity)
    return page(
        "app_picture.html",
        picture=data_uri(_png(_enlarged(overlay))),
        caption=_caption(visit, explanation, shown),
        slice_words=_slice_words(visit, explanation),
        scale=None if shown == "none" else _scale(explanation, shown),
        colours=", ".join(f"rgb{colour}" for colour in INFERNO),
        region=_region_words(explanation) if shown == "lesion" else None,
        scan=visit.scan.name,
        overlay=data_uri(_figure(explanation, shown, opacity, folder)),
        json=json_uri(visit),
        stem=_stem(visit),
    )


def _caption(visit: Visit, explanation: Explanation, shown: Layer) -> str:
    place = f"Slice {visit.number + 1} of {visit.scan.count}" if visit.scan.count > 1 else "The slice"
    if shown == "none":
        return f"{place}, without a map."
    what = f"heat map for {explanation.label} ({explanation.method})" if shown == "heat" else "lesion map"
    return f"{place} with the {what}."


def _slice_words(visit: Visit, explanation: Explanation) -> str:
    """Return what the network says of this slice alone, where the answer is of a series."""
    answer, own = visit.answer, explanation.prediction
    if not isinstance(answer, StudyPrediction):
        return ""
    here = answer.slices[visit.number]
    said = f"This slice alone: {own.label}, {100 * (own.confidence or 0):.1f} %, {WORDS[own.status][0].lower()}."
    return said if here.used else f"{said} It had no say in the answer: {here.reason}"


def _scale(explanation: Explanation, shown: Layer) -> tuple[str, str, str]:
    if shown == "heat":
        return "none", f"evidence for {explanation.label}, relative to this slice's maximum", "most"
    return "0", "probability of lesion, by the network's own word (not calibrated)", "1"


def _region_words(explanation: Explanation) -> str:
    region = explanation.region
    if region is None:
        return "The lesion map finds no lesion."
    left, top, right, bottom = region.box
    size = f"{right - left} × {bottom - top} pixels"
    if region.size_mm is not None:
        size += f", {region.size_mm[0]:.0f} × {region.size_mm[1]:.0f} mm"
    others = f" There are {region.parts} such parts." if region.parts > 1 else ""
    return (
        f"The largest part above {region.threshold:g} in the lesion map: {size}, from column {left} and row {top}; "
        f"area {region.area:,} pixels{'' if region.area_mm2 is None else f' ({region.area_mm2:,.0f} mm²)'}.{others}"
    )


def _enlarged(picture: Image.Image) -> Image.Image:
    times = max(1, round(SHORTEST / max(picture.size)))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def _figure(explanation: Explanation, shown: Layer, opacity: float, folder: Path) -> bytes:
    """Return the overlay with its colour bar and the notice, as PNG; the file lies on the disk for a moment."""
    if shown == "none":
        return _png(explanation.overlay(opacity=0))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "overlay.png"
        explanation.save(path, show=shown, opacity=opacity)
        return path.read_bytes()


def facts_of(visit: Visit) -> dict[str, Any]:
    """Return the answer as plain lists, dicts, strings and numbers."""
    key = "study" if isinstance(visit.answer, StudyPrediction) else "prediction"
    explained = None if visit.explanation is None else visit.explanation.to_dict()
    return {
        "notice": NOTICE,
        "mriclassify": __version__,
        "source": visit.scan.name,
        key: visit.answer.to_dict(),
        "slice": visit.number,
        "explanation": explained,
    }


def json_uri(visit: Visit) -> str:
    """Return the answer as JSON, in an address of its own: there is no file on the disk."""
    text = json.dumps(facts_of(visit), ensure_ascii=False, indent=2)
    return data_uri(text.encode("utf-8", "backslashreplace"), "application/json")


def _stem(visit: Visit) -> str:
    """Return what downloads are called."""
    stem = Path(visit.scan.name).name.split(".")[0] or "scan"
    return f"{stem}-slice{visit.number + 1}" if visit.scan.count > 1 else stem


def row_of(number: int, name: str, answer: Answer) -> str:
    """Return the line of the list of answers for one scan, numbered from 1 since names may be the same."""
    status = WORDS[answer.status][0]
    if answer.label is None or answer.confidence is None:
        return f"{number}. {name} · {status}"
    said = f"{answer.label} {100 * answer.confidence:.1f} %"
    return f"{number}. {name} · {status}" if answer.status == "rejected" else f"{number}. {name} · {said} · {status}"


def said(scans: Sequence[str], answers: Sequence[Answer]) -> str:
    """Return the sentence that is read out when answers are there."""
    if len(answers) == 1:
        answer = answers[0]
        name, _, meaning = WORDS[answer.status]
        if answer.label is None or answer.status == "rejected":
            return f"{scans[0]}: {name}. {answer.reasons[0] if answer.reasons else meaning}"
        return f"{scans[0]}: {answer.label}, {100 * (answer.confidence or 0):.1f} %. {name}. {meaning}"
    counts = {status: sum(answer.status == status for answer in answers) for status in WORDS}
    parts = ", ".join(f"{count} {WORDS[status][0].lower()}" for status, count in counts.items() if count)
    return f"{len(answers)} answers: {parts}. Choose one in the list."


def said_html(text: str, *, is_shown: bool = True) -> str:
    """Return what is read out; where the answer beside it says the same, it is not shown as well."""
    return page("app_said.html", text=text, is_shown=is_shown)


def problem_html(text: str) -> str:
    """Return what is shown where there is no answer at all."""
    return page("app_problem.html", text=text)


def welcome_html() -> str:
    """Return what is shown before the first answer."""
    return page("app_welcome.html")


def model_html(bundle: Bundle) -> str:
    """Return the facts of a model's card."""
    network = bundle.network
    return page(
        "app_model.html",
        name=bundle.name,
        backbone=bundle.backbone,
        size=bundle.preprocessing.size,
        networks=len(network.members) if isinstance(network, Ensemble) else 1,
        classes=bundle.classes,
        slices=len(bundle.provenance.slices),
        created=bundle.provenance.created,
        uncertain_below=bundle.thresholds.uncertain_below,
        figures=_figures(bundle.metrics),
        summary=bundle.summary,
    )


def _figures(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the measured numbers with what they mean: those that are known first, in their order."""
    names = [name for name in FIGURES if name in metrics] + [name for name in metrics if name not in FIGURES]
    return [(FIGURES.get(name, name), metrics[name]) for name in names if _is_number(metrics[name])]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def opacity_of(percent: float) -> float:
    """Return 0..1 for the slider's 0..100.

    Raises:
        OptionError: it is neither.
    """
    if not 0 <= percent <= 100:
        raise OptionError(f"opacity must be from 0 to 100 %, not {percent}")
    return percent / 100
