"""Parameters: how tensors from a file get into a module, all of them or none."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn


def load_strictly(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give `module` the values of `tensors`, as its own number types.

    A state dict of torch's has the versions of its layers beside the tensors, which a file of tensors has not.
    MNASNet refuses a state dict without them, so that they are taken from the module itself.

    Raises:
        RuntimeError: a tensor is missing, unasked for, or of another shape.
    """
    expected = module.state_dict()
    state = OrderedDict(
        (key, value.to(expected[key].dtype) if key in expected else value) for key, value in tensors.items()
    )
    state._metadata = expected._metadata  # type: ignore[attr-defined]
    module.load_state_dict(state, strict=True)
