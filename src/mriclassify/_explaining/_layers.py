"""Layers: the maps that modules of a backbone make on their way, and what a score's gradient with respect to each is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import nn

from mriclassify._errors import NetworkError, OptionError
from mriclassify._model._network import Network
from mriclassify._model._stages import as_map, find_stages
from mriclassify._shapes import Images

SMALLEST = 2
"""A layer of fewer rows than this says nothing of where."""

MOST_LISTED = 40
"""So many layers stand in an error, the outermost ones: some networks have a thousand."""

Wanted = Callable[[str, torch.Tensor], bool]


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
    if path is not None:
        check_layer(network, images, path)
        layers = _layers(network, images, target, lambda name, _: name == path)
    else:
        shape = _coarsest(network, images)
        layers = _layers(network, images, target, lambda _, found: found.shape[1:] == shape)
    if not layers:
        raise NetworkError(
            f"no gradient of the answer reaches a map of {type(network.backbone).__name__}: expected one that computes "
            "without torch.no_grad and detach, from the map on"
        )
    return next((layer for layer in reversed(layers) if layer.gradients.any()), layers[-1])


def check_layer(network: Network, images: Images, path: str) -> None:
    """Raise OptionError unless the backbone's module at `path` makes maps."""
    names = _names(network, images)
    if path in names:
        return
    exists = path in dict(network.backbone.named_modules())
    what = f"the layer {path!r} makes no maps" if exists and path else f"there is no layer {path!r}"
    raise OptionError(f"{what} in {type(network.backbone).__name__}; those that do: {_listed(names)}")


def _coarsest(network: Network, images: Images) -> torch.Size:
    """Return the shape (channels, side, side) of the last stage's maps."""
    stages = find_stages(network.backbone, channels=network.channels, size=images.shape[-1])
    if stages:
        return torch.Size((stages[-1].channels, stages[-1].side, stages[-1].side))
    names, kind = _names(network, images), type(network.backbone).__name__
    if not names:
        raise NetworkError(
            f"{kind} makes no maps (batch, channels, height, width) on its way: there is nothing to show"
        )
    raise NetworkError(f"{kind} makes no maps of a usual size: name one of its layers, layer=...: {_listed(names)}")


def _names(network: Network, images: Images) -> list[str]:
    """Return the names of all modules that make maps, in the order in which they do."""
    with torch.inference_mode(), _recorded(network.backbone, lambda _, found: True) as seen:
        network(images)
    return list(seen)


def _layers(network: Network, images: Images, target: int, wanted: Wanted) -> list[Layer]:
    # Whoever calls may have switched gradients off, and the parameters may be frozen: the images then carry them.
    with torch.inference_mode(False), torch.enable_grad(), _recorded(network.backbone, wanted) as seen:
        score = network(images.clone().requires_grad_()).logits[:, target].sum()
        reached = {path: output for path, output in seen.items() if output.requires_grad}
        # Not backward(): that would leave a gradient at every parameter.
        found = torch.autograd.grad(score, list(reached.values()), allow_unused=True) if reached else ()
    return [
        Layer(path, _map(output.detach()), _map(torch.zeros_like(output) if gradient is None else gradient))
        for (path, output), gradient in zip(reached.items(), found, strict=True)
    ]


@contextmanager
def _recorded(backbone: nn.Module, wanted: Wanted) -> Iterator[dict[str, torch.Tensor]]:
    """Yield a dict that fills with the outputs of modules that are wanted maps, in the order of the last calls."""
    seen: dict[str, torch.Tensor] = {}
    handles, here = [], get_ident()
    for path, module in backbone.named_modules():

        def note(module: nn.Module, inputs: object, output: object, path: str = path) -> torch.Tensor | None:
            found = as_map(output)
            # Another thread may be asking the same network.
            if get_ident() != here or not path or found is None or not SMALLEST <= found.shape[2] == found.shape[3]:
                return None
            if not wanted(path, found):
                return None
            assert isinstance(output, torch.Tensor)  # for the type checker: as_map has seen that
            seen.pop(path, None)
            seen[path] = output
            # A copy goes on, since the next module may work in place.
            return output.clone()

        # First, so that the taps of a network that looks for lesions keep the copy, as it will be changed.
        handles.append(module.register_forward_hook(note, prepend=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _map(output: torch.Tensor) -> torch.Tensor:
    found = as_map(output)
    assert found is not None  # for the type checker: only maps are recorded
    return found.float()


def _listed(names: Sequence[str]) -> str:
    """Return names, the outermost if there are too many, in their order."""
    outermost = set(sorted(names, key=lambda name: name.count("."))[:MOST_LISTED])
    more = f" and {len(names) - MOST_LISTED} within these" if len(names) > MOST_LISTED else ""
    return ", ".join(name for name in names if name in outermost) + more
