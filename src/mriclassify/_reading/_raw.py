"""Pixels as a decoder returns them, not yet checked."""

from dataclasses import dataclass

from mriclassify._shapes import Pixels


@dataclass(frozen=True, slots=True)
class Raw:
    """What the readers of this room hand to `read_slice`; the fields are those of Slice."""

    pixels: Pixels
    kind: str
    spacing: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    colour: float = 0.0
