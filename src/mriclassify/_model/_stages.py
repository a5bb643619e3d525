"""Stages: the feature maps that a backbone makes on its way, finer ones first, whatever its family."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import nn

FINEST, COARSEST = 4, 40
"""Strides, in pixels of the image, of the maps that are of use: finer ones have seen too little of the slice."""
SMALLEST = 3
"""A map of fewer rows than this says nothing of where."""

APART = 1.5
"""Maps whose sides differ by less are one resolution, trimmed at the borders: the later one counts."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The last map of one resolution.

    Attributes:
        path: of the module in the backbone whose output it is; "" is the backbone itself.
        channels: of the map.
        side: rows and columns of the map.
    """

    path: str
    channels: int
    side: int


class Tap:
    """A forward hook that keeps what a module put out last, for each thread.

    A class, not a function: a copy of the network then has taps of its own.
    """

    def __init__(self) -> None:
        self.outputs: dict[int, torch.Tensor] = {}

    def __call__(self, module: nn.Module, inputs: object, output: object) -> None:
        """Keep the output, called by torch."""
        found = as_map(output)
        if found is not None:
            self.outputs[get_ident()] = found

    def take(self) -> torch.Tensor:
        """Return the map (batch, channels, height, width), and let go of it."""
        return self.outputs.pop(get_ident())

    def __deepcopy__(self, memo: object) -> "Tap":
        """Return a tap of nothing: another thread may be on its way through the network."""
        return Tap()


def find_stages(backbone: nn.Module, *, channels: int, size: int) -> tuple[Stage, ...]:
    """Return the last map of each resolution, finest first, by showing `backbone` a blank image.

    Convolutional maps are known by their shape (batch, channels, side, side) or, as in Swin,
    (batch, side, side, channels); the tokens of a vision transformer (batch, side * side [+ 1], channels) are one
    map too. Backbones that make no map at all have no stages.
    """
    calls: dict[str, Stage] = {}
    handles = []
    for path, module in backbone.named_modules():

        def note(module: nn.Module, inputs: object, output: object, path: str = path) -> None:
            found = as_map(output)
            # Some modules are called several times (the ReLU of ResNet's blocks), and a tap keeps the last output.
            calls.pop(path, None)
            # Two images go in: what does not have two rows, such as a table of positions, is no map of theirs.
            if found is None or len(found) != 2 or not SMALLEST <= found.shape[2] == found.shape[3]:
                return
            calls[path] = Stage(path, found.shape[1], found.shape[2])

        handles.append(module.register_forward_hook(note))
    training = backbone.training
    device = next((parameter.device for parameter in backbone.parameters()), torch.device("cpu"))
    try:
        with torch.inference_mode():
            backbone.eval()(torch.zeros(2, channels, size, size, device=device))
    finally:
        backbone.train(training)
        for handle in handles:
            handle.remove()
    seen: dict[int, Stage] = {}
    for stage in calls.values():
        # A map that is larger than one before it was padded or pooled for the head.
        if stage.side <= min(seen, default=size):
            seen[stage.side] = stage
    # A stride of 4 makes 19 rows of 75.
    finest = math.ceil(size / FINEST)
    return tuple(_apart([seen[side] for side in sorted(seen) if size / COARSEST <= side <= finest]))


def _apart(stages: Sequence[Stage]) -> list[Stage]:
    """Return of stages, coarsest first, those that differ enough in resolution; finest first."""
    kept: list[Stage] = []
    for stage in stages:
        if not kept or stage.side >= APART * kept[-1].side:
            kept.append(stage)
    return kept[::-1]


def tap(backbone: nn.Module, stages: Sequence[Stage]) -> list[Tap]:
    """Return a tap at each stage, put there for good; taps of a network that had the backbone before are taken out."""
    for module in backbone.modules():
        for key in [key for key, hook in module._forward_hooks.items() if isinstance(hook, Tap)]:
            del module._forward_hooks[key]
    taps = []
    for stage in stages:
        taps.append(Tap())
        backbone.get_submodule(stage.path).register_forward_hook(taps[-1])
    return taps


def as_map(output: object) -> torch.Tensor | None:
    """Return a module's output as (batch, channels, height, width), or None if it is no map."""
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        return None
    if output.ndim == 4:
        _, first, second, third = output.shape
        return output.permute(0, 3, 1, 2) if first == second != third else output
    if output.ndim == 3:
        tokens = output.shape[1]
        side = math.isqrt(tokens)
        if side < 2 or tokens - side * side > 1:
            return None
        # A class token comes first.
        return output[:, tokens - side * side :].transpose(1, 2).reshape(len(output), -1, side, side)
    return None
