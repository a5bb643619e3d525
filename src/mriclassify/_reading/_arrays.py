"""Arrays and tensors become pixels."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import PixelError
from mriclassify._reading._grey import grey
from mriclassify._shapes import Pixels

if TYPE_CHECKING:
    import torch

_CHANNELS = (1, 3, 4)


def read_array(array: NDArray[Any], name: str) -> Pixels:
    """Return grey values of an array (height, width) or (height, width, 1, 3 or 4) of numbers, in RGB order.

    Raises:
        PixelError: The array has another shape, or holds no real numbers.
    """
    if array.dtype.kind not in "buif":
        raise PixelError(f"{name} holds no real numbers: expected integers, floats or booleans.")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS):
        return grey(array)
    raise PixelError(
        f"Expected an array (height, width) or (height, width, 1, 3 or 4), got {name}: pass one "
        "slice of a volume or batch at a time, channels last."
    )


def read_tensor(tensor: "torch.Tensor", name: str) -> Pixels:
    """Return grey values of a tensor (height, width), (1, 3 or 4, height, width), or with channels last.

    Raises:
        PixelError: The tensor has another shape, or no values that can be read (sparse, on the meta device).
    """
    if not (tensor.ndim == 2 or (tensor.ndim == 3 and {tensor.shape[0], tensor.shape[2]} & set(_CHANNELS))):
        raise PixelError(
            f"Expected a tensor (height, width) or (1, 3 or 4, height, width), got {name}: pass one "
            "image of a batch at a time."
        )
    try:
        # numpy knows no bfloat16; .float() of what is float32 already costs nothing.
        values = (tensor.float() if tensor.is_floating_point() else tensor).numpy(force=True)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise PixelError(f"{name} can't be read as an array: pass a dense tensor with values.") from error
    if values.ndim == 3 and values.shape[0] in _CHANNELS:
        values = np.moveaxis(values, 0, -1)
    return read_array(values, name)
