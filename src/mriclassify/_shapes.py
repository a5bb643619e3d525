"""Named shapes, so that signatures say what an array holds.

The tensors are quoted because torch must not be imported to read a signature.
"""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Pixels: TypeAlias = NDArray[np.float32]
"""(height, width), the scanner's or the file's own units."""

Images: TypeAlias = "torch.Tensor"
"""(batch, channels, size, size) float, preprocessed."""

Logits: TypeAlias = "torch.Tensor"
"""(batch, classes) float, before softmax."""

Features: TypeAlias = "torch.Tensor"
"""(batch, d) float, what the backbone says of each image."""

LesionLogits: TypeAlias = "torch.Tensor"
"""(batch, side, side) float, before the sigmoid; side is that of the network's finest map."""

Probabilities: TypeAlias = NDArray[np.float64]
"""(n, classes), each row sums to 1."""

Targets: TypeAlias = NDArray[np.int64]
"""(n,), index into the classes."""
