"""State: everything a killed run needs to go on from its last whole epoch, in one safetensors file.

One file, moved into place at once: after `kill -9` it is the state of one epoch or of the next, never of both.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mriclassify._errors import TrainingError
from mriclassify._model._device import Precision
from mriclassify._output import write_tensors
from mriclassify._training._history import Epoch, History

STATE_FILE = "state.safetensors"
HISTORY_FILE = "history.csv"

Tensors = dict[str, torch.Tensor]


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """Weights now, those to keep, the optimiser's moments, and the history so far.

    Attributes:
        identity: options and data, as text, by which a resumed run is known to be the same one.
        weights, best: state dicts of the network; the latter is of the epoch that would be kept if training ended now.
        mean: of the weights, as a state dict; empty unless they are averaged.
        moments: "<parameter number>.<name>" to tensor, of AdamW.
        scaler: of the gradient scaler; empty unless the precision is fp16.
        precision: that "auto" chose when the run began.
    """

    identity: Mapping[str, str]
    weights: Tensors
    mean: Tensors
    best: Tensors
    moments: Tensors
    precision: Precision
    scaler: Mapping[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)


def save_state(state: TrainingState, folder: Path) -> None:
    """Write the state, and the history as CSV beside it.

    Raises:
        OutputError: the folder can't be written.
    """
    parts = {"weights": state.weights, "mean": state.mean, "best": state.best, "moments": state.moments}
    tensors = {
        f"{part}/{key}": value.detach().cpu().clone().contiguous()
        for part, values in parts.items()
        for key, value in values.items()
    }
    header = {
        "identity": dict(state.identity),
        "precision": state.precision,
        "scaler": dict(state.scaler),
        "history": [asdict(epoch) for epoch in state.history],
    }
    # The table first: a run that was killed between the two goes on before its last row, and writes it again.
    state.history.to_csv(folder / HISTORY_FILE)
    write_tensors(folder / STATE_FILE, tensors, metadata={"run": json.dumps(header)})


def load_state(folder: Path, *, identity: Mapping[str, str]) -> TrainingState | None:
    """Return the state in `folder`, or None where no epoch was finished there.

    Raises:
        TrainingError: the folder holds a run with other options or data, or a state that can't be read.
    """
    file = folder / STATE_FILE
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            header = json.loads((opened.metadata() or {})["run"])
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a mapping
        then, state = header["identity"], _state(header, tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{file} is not the state of a run ({error}): delete it, or choose another folder"
        ) from error
    _refuse_other_run(then, identity, folder)
    return state


def _state(header: Mapping[str, Any], tensors: Tensors) -> TrainingState:
    def part(name: str) -> Tensors:
        return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}

    return TrainingState(
        identity=header["identity"],
        weights=part("weights"),
        mean=part("mean"),
        best=part("best"),
        moments=part("moments"),
        precision=header["precision"],
        scaler=header["scaler"],
        history=History(tuple(Epoch(**epoch) for epoch in header["history"])),
    )


def _refuse_other_run(then: Mapping[str, str], now: Mapping[str, str], folder: Path) -> None:
    changed = [
        f"{name} was {then.get(name)}, now {now.get(name)}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise TrainingError(
            f"{folder} holds a run that was begun differently ({'; '.join(changed)}): "
            "choose another folder, or delete it"
        )


def optimiser_moments(optimiser: torch.optim.Optimizer) -> Tensors:
    """Return AdamW's moments as flat tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def restore_moments(optimiser: torch.optim.Optimizer, moments: Tensors) -> None:
    """Give `optimiser` the moments that `optimiser_moments` returned."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, Tensors] = {}
    for key, value in moments.items():
        number, name = key.split(".", 1)
        # Laid out as the parameter is (channels_last, say): the same sums are then done in the same order.
        placed = value if name == "step" else torch.empty_like(parameters[int(number)]).copy_(value)
        state.setdefault(int(number), {})[name] = placed
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
