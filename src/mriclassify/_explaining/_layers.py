"""Layers: the maps that modules of a backbone make on their way, and the gradients of an answer there."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import nn

from mriclassify._errors import NetworkError, OptionError
from mriclassify._model._network import Network
from mriclassify._model._stages import as_map
from mriclassify._shapes import Images

SMALLEST = 2
"""A layer of fewer rows than this says nothing of where."""
COARSEST = 3
"""A layer of fewer rows than this says little of where: it is taken only if it is asked for."""
FINEST = 4
"""Stride, in pixels of the image, of the finest layers that are taken unasked: finer ones have seen too little."""
APART = 1.5
"""Layers whose sides differ by less are one resolution, trimmed at the borders."""

MOST_LISTED = 40
"""So many layers stand in an error, the outermost ones: some networks have a thousand."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The maps of one layer, and the gradient of a score with respect to them.

    Attributes:
        path: of the module in the backbone.
        maps: (batch, channels, side, side).
        gradients: the same shape.
    """

    path: str
    maps: torch.Tensor
    gradients: torch.Tensor


def layer_of(network: Network, images: Images, *, target: int, path: str | None = None) -> Layer:
    """Return the maps of a layer for images, and the gradients of the logit of class `target`.

    Args:
        network: from `ready`; it keeps no hook and no gradient.
        images: (batch, 1, size, size), on the network's device.
        target: index of the class.
        path: of the layer's module in the backbone. None takes the last of the coarsest maps whose gradient is not
            zero: a vision transformer reads the class from one token, and forgets the others' last values.

    Raises:
        OptionError: there is no layer of that name, or it makes no maps.
        NetworkError: the backbone makes no maps, or no gradient reaches them.
    """
    made = _made(network, images)
    paths = _coarsest(network.backbone, made) if path is None else [_checked(network.backbone, made, path)]
    return _last(_reached(network, images, target, paths))


def layers_of(network: Network, images: Images, *, target: int) -> list[Layer]:
    """Return the last layer of each resolution, finest first, with the gradients of the logit of class `target`.

    Args:
        network: as for `layer_of`; so are `images` and `target`.
        images: (batch, 1, size, size).
        target: index of the class.

    Raises:
        NetworkError: as for `layer_of`.
    """
    made = _made(network, images)
    groups = _resolutions(network.backbone, made, images.shape[-1])
    layers = _reached(network, images, target, [path for paths in groups for path in paths])
    parts = [[layer for layer in layers if layer.path in paths] for paths in groups]
    return [_last(part) for part in parts if part]


def _reached(network: Network, images: Images, target: int, paths: Sequence[str]) -> list[Layer]:
    """Return the layers that the class is read from, or raise NetworkError if it is from none."""
    layers = _layers(network, images, target, paths)
    if not layers:
        raise NetworkError(
            f"no gradient of the answer reaches a map of {type(network.backbone).__name__}: expected one that computes "
            "without torch.no_grad and detach, from the map on"
        )
    return layers


def _last(layers: Sequence[Layer]) -> Layer:
    return next((layer for layer in reversed(layers) if layer.gradients.any()), layers[-1])


def _made(network: Network, images: Images) -> dict[str, tuple[int, int]]:
    """Return channels and side of the maps of each module that makes some, in the order in which they do."""
    # Two images go in: what does not have two rows, such as a table of positions, is no map of theirs.
    blank = torch.zeros_like(images[:1]).expand(2, -1, -1, -1)
    with torch.inference_mode(), _recorded(network.backbone, [path for path, _ in _named(network.backbone)]) as seen:
        network(blank)
    maps = {path: as_map(output) for path, output in seen.items()}
    return {
        path: (found.shape[1], found.shape[2])
        for path, found in maps.items()
        if found is not None and len(found) == 2 and SMALLEST <= found.shape[2] == found.shape[3]
    }


def _named(backbone: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(path, module) for path, module in backbone.named_modules() if path]


def _coarsest(backbone: nn.Module, made: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the layers whose maps are like the last one of the smallest that still say where."""
    kind = type(backbone).__name__
    if not made:
        raise NetworkError(f"{kind} makes no maps (batch, channels, height, width) on its way: nothing can be shown")
    side = min((side for _, side in made.values() if side >= COARSEST), default=None)
    if side is None:
        raise NetworkError(
            f"{kind} makes no maps of {COARSEST} rows or more from images of this size: name one of its layers, "
            f"layer=..., of {_listed(list(made))}"
        )
    *_, shape = (shape for shape in made.values() if shape[1] == side)
    return [path for path, other in made.items() if other == shape]


def _resolutions(backbone: nn.Module, made: Mapping[str, tuple[int, int]], size: int) -> list[list[str]]:
    """Return the layers of each resolution that are like its last one, finest first."""
    last: dict[int, tuple[int, int]] = {}
    for channels, side in made.values():
        # A map that is finer than one before it was padded or made larger for the head.
        if COARSEST <= side <= min(last, default=math.ceil(size / FINEST)):
            last[side] = channels, side
    apart: list[int] = []
    for side in sorted(last):
        if not apart or side >= APART * apart[-1]:
            apart.append(side)
    groups = [[path for path, shape in made.items() if shape == last[side]] for side in reversed(apart)]
    return groups or [_coarsest(backbone, made)]


def _checked(backbone: nn.Module, made: Mapping[str, tuple[int, int]], path: str) -> str:
    """Return `path`, or raise OptionError unless the module there makes maps."""
    if path in made:
        return path
    exists = path in dict(_named(backbone))
    what = f"the layer {path!r} makes no maps" if exists else f"there is no layer {path!r}"
    raise OptionError(f"{what} in {type(backbone).__name__}; those that do: {_listed(list(made)) or 'none'}")


def _layers(network: Network, images: Images, target: int, paths: Sequence[str]) -> list[Layer]:
    # Whoever calls may have switched gradients off, and the parameters may be frozen: the images then carry them.
    with torch.inference_mode(False), torch.enable_grad(), _recorded(network.backbone, paths) as seen:
        score = network(images.clone().requires_grad_()).logits[:, target].sum()
        reached = {path: output for path, output in seen.items() if output.requires_grad}
        # Not backward(): that would leave a gradient at every parameter.
        found = torch.autograd.grad(score, list(reached.values()), allow_unused=True) if reached else ()
    return [
        Layer(path, _map(output.detach()), _map(torch.zeros_like(output) if gradient is None else gradient))
        for (path, output), gradient in zip(reached.items(), found, strict=True)
    ]


@contextmanager
def _recorded(backbone: nn.Module, paths: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Yield a dict that fills with the outputs of modules that are tensors, in the order of their last calls."""
    seen: dict[str, torch.Tensor] = {}
    handles, here = [], get_ident()
    for path in paths:

        def note(module: nn.Module, inputs: object, output: object, path: str = path) -> torch.Tensor | None:
            # Another thread may be asking the same network.
            if get_ident() != here or not isinstance(output, torch.Tensor):
                return None
            seen.pop(path, None)
            seen[path] = output
            # A copy goes on, since the next module may work in place.
            return output.clone()

        # First, so that the taps of a network that looks for lesions keep the copy, as it will be changed.
        handles.append(backbone.get_submodule(path).register_forward_hook(note, prepend=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _map(output: torch.Tensor) -> torch.Tensor:
    found = as_map(output)
    assert found is not None  # for the type checker: layers that make none are not asked
    return found.float()


def _listed(names: Sequence[str]) -> str:
    """Return names, the outermost if there are too many, in their order."""
    outermost = set(sorted(names, key=lambda name: name.count("."))[:MOST_LISTED])
    more = f" and {len(names) - MOST_LISTED} within these" if len(names) > MOST_LISTED else ""
    return ", ".join(name for name in names if name in outermost) + more
