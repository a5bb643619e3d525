"""Explaining: a source becomes an answer, and the maps of where it comes from."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mriclassify._errors import OptionError
from mriclassify._explaining._explanation import Explanation
from mriclassify._explaining._methods import DEFAULT_METHOD, heat_map, method_of
from mriclassify._explaining._region import region_of
from mriclassify._model._bundle import Bundle
from mriclassify._reading import Source, name_of, read_slice
from mriclassify._shapes import LesionLogits


def explain(
    bundle: Bundle,
    source: Source,
    *,
    device: torch.device,
    label: str | None = None,
    method: str = DEFAULT_METHOD,
    layer: str | None = None,
    axis: int = 2,
    index: int | None = None,
    allow_url: bool = False,
) -> Explanation:
    """Return the answer for one slice with the maps of where it comes from.

    Args:
        bundle: whose network comes from `ready`.
        source: as `read_slice` takes it; so are `axis`, `index` and `allow_url`.
        device: where the network computes.
        label: the class to explain; None takes the answer.
        method: a name in `METHODS`.
        layer: name of a module of the backbone, for methods that read one; None leaves it to the method.
        axis: of a volume.
        index: of a slice, frame or page.
        allow_url: whether to fetch.

    Raises:
        ReadError: the source can't be read as a slice.
        OptionError: the model has no such class, the backbone no such layer, the volume no such axis or slice; or there
            is no such method.
        NetworkError: the backbone makes no maps.
        MissingExtraError: the method needs captum, which is not installed.
    """
    title = method_of(method, layer=layer).title  # a wrong name is refused before anything is read
    if label is not None and label not in bundle.classes:
        raise OptionError(f"{bundle.name} knows no class {label!r}; it knows: {', '.join(bundle.classes)}")
    scan, name = read_slice(source, axis=axis, index=index, allow_url=allow_url), name_of(source)
    images = torch.from_numpy(bundle.image(scan))[None]  # (1, 1, size, size)
    outputs = bundle.ask(images)
    (prediction,) = bundle.decide(
        outputs, sources=[name], notes=[scan.notes], objections=[bundle.objections(scan)], device=str(device)
    )
    explained = label or prediction.label or bundle.classes[0]
    heat = heat_map(bundle.network, images, target=bundle.classes.index(explained), method=method, layer=layer)
    windowed = bundle.preprocessing.windowed(scan.pixels, window=scan.window)
    frame, shape = bundle.preprocessing.frame(windowed), windowed.shape
    lesion_map = None
    if outputs.lesions is not None:
        lesion_map = frame.put_back(lesion_image(outputs.lesions, images.shape[-1])[0], shape=shape)
    return Explanation(
        source=name,
        prediction=prediction,
        label=explained,
        method=title,
        layer=heat.layer,
        heat_map=_to_its_maximum(frame.put_back(heat.values, shape=shape)),
        lesion_map=lesion_map,
        region=None
        if lesion_map is None
        else region_of(lesion_map, threshold=bundle.thresholds.lesion_above, spacing=scan.spacing),
        pixels=np.rint(np.clip(windowed, 0, 1) * 255).astype(np.uint8),
        image=images[0, 0].numpy(),
        spacing=scan.spacing,
    )


def lesion_image(lesions: LesionLogits, size: int) -> NDArray[np.float32]:
    """Return the probability of lesion (batch, size, size), 0..1, from a network's logits (batch, side, side)."""
    # Probabilities, not logits: training compares them with the part of each pixel that is lesion, and halfway between
    # a pixel inside and one outside lies the border.
    maps = functional.interpolate(lesions.sigmoid()[:, None], size=(size, size), mode="bilinear", align_corners=False)
    return maps[:, 0].numpy()


def _to_its_maximum(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the map divided by its maximum, which may lie a little lower after resizing, or beyond the border."""
    maximum = float(heat.max())
    return heat / np.float32(maximum) if maximum > 0 else heat
