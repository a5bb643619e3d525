"""Explanation: what a user gets who asks why."""

import os
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import OptionError
from mriclassify._explaining._colours import blended
from mriclassify._explaining._figure import save_figure
from mriclassify._explaining._region import Region
from mriclassify._model._prediction import Prediction

Show = Literal["heat", "lesion"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Where in a slice the evidence for a class lies, and where a lesion is, if the model looks for lesions.

    Maps lie over the slice as `read_slice` gives it: the file's own size and orientation. They are zero where the model
    did not look: it sees a square around the head.

    Attributes:
        source: the file, or what was passed, in words.
        prediction: the answer for the slice, as `predict` gives it.
        label: the class that the heat map is about.
        method: how the heat map was made, for people.
        layer: of the backbone, that it was read from, several with commas between them; None for methods that read
            none.
        heat_map: (height, width), 0..1, 1 at its maximum: where, not how much. All 0 if nothing speaks for the class.
        lesion_map: (height, width), probability of lesion, 0..1; None where the model does not look for lesions.
        region: the lesion that the map shows, if any.
        pixels: (height, width) 8 bit, the slice itself in the model's window, to draw on.
        image: (size, size), 0..1.5, what the network saw.
        spacing: millimetres from row to row and from column to column, or None where that is not known.
    """

    source: str
    prediction: Prediction
    label: str
    method: str
    layer: str | None = None
    heat_map: NDArray[np.float32] = field(repr=False)
    lesion_map: NDArray[np.float32] | None = field(default=None, repr=False)
    region: Region | None = None
    pixels: NDArray[np.uint8] = field(repr=False)
    image: NDArray[np.float32] = field(repr=False)
    spacing: tuple[float, float] | None = None

    def overlay(self, *, show: Show = "heat", opacity: float = 0.5) -> Image.Image:
        """Return the slice with a map over it, an RGB picture of the slice's own size.

        Args:
            show: "heat" or "lesion".
            opacity: how much the colour covers where the map is 1, 0..1; less where it is less.

        Raises:
            OptionError: an argument is out of range, or the model does not look for lesions.
        """
        if not 0 <= opacity <= 1:
            raise OptionError(f"opacity must be from 0 to 1, not {opacity}")
        return Image.fromarray(blended(self.pixels, self._shown(show), opacity))

    def save(self, path: str | os.PathLike[str], *, show: Show = "heat", opacity: float = 0.5) -> None:
        """Write the overlay with a colour bar; the name's end says as what, .png or .svg.

        The source's name, which may name a patient, is not written.

        Raises:
            OptionError: another suffix; else as in `overlay`.
            OutputError: the file can't be written.
        """
        picture = self.overlay(show=show, opacity=opacity)
        if show == "heat":
            title, scale = f"{self.label}: {self.method}", "evidence for the class, relative to its maximum"
        else:
            title, scale = "lesion map", "probability of lesion, by the network's own word"
        save_figure(path, picture, title=title, scale=scale)

    def to_dict(self, *, maps: bool = False) -> dict[str, Any]:
        """Return plain lists, dicts, strings and numbers; with `maps` also the maps, as rows of numbers."""
        facts: dict[str, Any] = {
            "source": self.source,
            "prediction": self.prediction.to_dict(),
            "label": self.label,
            "method": self.method,
            "layer": self.layer,
            "shape": list(self.heat_map.shape),
            "spacing": None if self.spacing is None else list(self.spacing),
            "has_lesion_map": self.lesion_map is not None,
            "region": None if self.region is None else self.region.to_dict(),
        }
        if maps:
            facts["heat_map"] = self.heat_map.tolist()
            facts["lesion_map"] = None if self.lesion_map is None else self.lesion_map.tolist()
        return facts

    def _shown(self, show: Show) -> NDArray[np.float32]:
        if show not in get_args(Show):
            raise OptionError(f"show must be one of {', '.join(get_args(Show))}, not {show!r}")
        if show == "heat":
            return self.heat_map
        if self.lesion_map is None:
            raise OptionError(
                f"{self.prediction.model} does not look for lesions, so that there is no lesion map: show='heat', or "
                "take weights that were trained with masks"
            )
        return self.lesion_map
