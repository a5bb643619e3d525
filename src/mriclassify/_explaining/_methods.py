"""Methods: the names by which heat maps can be asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mriclassify._errors import OptionError
from mriclassify._explaining._grad_cam import grad_cam
from mriclassify._explaining._grad_cam_plus_plus import grad_cam_plus_plus
from mriclassify._explaining._integrated_gradients import integrated_gradients
from mriclassify._explaining._layer_cam import layer_cam
from mriclassify._explaining._occlusion import occlusion
from mriclassify._explaining._views import HeatMap
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images


@dataclass(frozen=True, slots=True)
class Method:
    """One way to a heat map.

    Attributes:
        title: for people.
        look: the function.
        reads_layer: whether it reads the maps of a layer, which may then be named.
    """

    title: str
    look: Callable[..., HeatMap]
    reads_layer: bool


METHODS: Mapping[str, Method] = {
    "layer-cam": Method("LayerCAM", layer_cam, reads_layer=True),
    "grad-cam": Method("Grad-CAM", grad_cam, reads_layer=True),
    "grad-cam++": Method("Grad-CAM++", grad_cam_plus_plus, reads_layer=True),
    "integrated-gradients": Method("integrated gradients", integrated_gradients, reads_layer=False),
    "occlusion": Method("occlusion", occlusion, reads_layer=False),
}

DEFAULT_METHOD = "layer-cam"
"""Of those that need no extra it points best on validation slices of folds 1-4, by `benchmarks/explain.py`."""


def method_of(name: str, *, layer: str | None = None) -> Method:
    """Return the method of that name.

    Raises:
        OptionError: there is none, or a layer is named and it reads none.
    """
    if name not in METHODS:
        raise OptionError(f"there is no method {name!r}; there are: {', '.join(METHODS)}")
    method = METHODS[name]
    if layer is not None and not method.reads_layer:
        others = ", ".join(other for other, found in METHODS.items() if found.reads_layer)
        raise OptionError(f"{name} reads no layer of the network: leave layer={layer!r} out, or take one of {others}")
    return method


def heat_map(
    network: Network | Ensemble, images: Images, *, target: int, method: str = DEFAULT_METHOD, layer: str | None = None
) -> HeatMap:
    """Return where the evidence for a class lies, by the method of that name.

    Args:
        network: from `ready`; its mode, gradients and hooks stay as they are.
        images: (1, 1, size, size) of one slice, as `Preprocessing` makes it; on any device.
        target: index of the class.
        method: a name in `METHODS`.
        layer: name of a module of the backbone, for methods that read one.

    Raises:
        OptionError: there is no such method or layer, or the method reads none.
        NetworkError: the backbone makes no maps, or no gradient reaches them.
        MissingExtraError: the method needs captum, which is not installed.
    """
    found = method_of(method, layer=layer)
    options: dict[str, Any] = {"layer": layer} if found.reads_layer else {}
    return found.look(network, images, target=target, **options)
