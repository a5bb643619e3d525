"""History: what training measured after each epoch."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import overload

from mriclassify._output import whole_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch: mean losses (cross-entropy, nats), scores on the validation part, rate, and time in seconds."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    validation_macro_f1: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class History(Sequence[Epoch]):
    """The epochs of a training, in order, and which of them the kept weights are from.

    The best epoch has the highest validation macro-F1; of equal ones the lower validation loss decides.
    """

    epochs: tuple[Epoch, ...] = ()

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return max(self.epochs, key=lambda epoch: (epoch.validation_macro_f1, -epoch.validation_loss))

    def with_epoch(self, epoch: Epoch) -> "History":
        """Return a history with one more epoch."""
        return History((*self.epochs, epoch))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row for each epoch."""
        with whole_file(path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Epoch)])
            writer.writeheader()
            writer.writerows(asdict(epoch) for epoch in self.epochs)

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Epoch]: ...
    def __getitem__(self, index: int | slice) -> Epoch | Sequence[Epoch]:
        return self.epochs[index]

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)
