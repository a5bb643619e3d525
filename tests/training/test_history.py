import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mriclassify import Epoch, History, OutputError

ODD = 1 / 3
FIRST = Epoch(
    epoch=1,
    train_loss=1.5,
    validation_loss=0.9,
    validation_accuracy=0.5,
    validation_macro_f1=0.4,
    learning_rate=ODD * 1e-4,
    seconds=0.1,
)


def epochs(*scores: tuple[float, float]) -> History:
    return History(
        tuple(
            replace(FIRST, epoch=number, validation_macro_f1=f1, validation_loss=loss)
            for number, (f1, loss) in enumerate(scores, start=1)
        )
    )


def test_best_epoch_has_the_highest_macro_f1_whatever_its_loss() -> None:
    assert epochs((0.4, 0.1), (0.8, 0.9), (0.6, 0.2)).best.epoch == 2


def test_lower_validation_loss_decides_between_equal_epochs_and_the_first_between_the_same() -> None:
    assert epochs((0.8, 0.5), (0.8, 0.3), (0.8, 0.4)).best.epoch == 2
    assert epochs((0.8, 0.3), (0.8, 0.3)).best.epoch == 1


def test_with_epoch_leaves_the_history_it_was_called_on_alone() -> None:
    before = epochs((0.4, 0.5))
    after = before.with_epoch(replace(FIRST, epoch=2))
    assert (len(before), len(after), after[-1].epoch) == (1, 2, 2)
    assert [epoch.epoch for epoch in after] == [1, 2]
    assert list(after[:1]) == list(before)


def test_csv_gives_every_number_back_exactly(tmp_path: Path) -> None:
    history = epochs((ODD, 0.1 + 0.2), (1.0, 1e-17))
    history.to_csv(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    read = [Epoch(**{name: (int if name == "epoch" else float)(text) for name, text in row.items()}) for row in rows]
    assert History(tuple(read)) == history
    assert list(rows[0]) == list(asdict(FIRST))


def test_csv_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"history\.csv"):
        epochs((0.4, 0.5)).to_csv(tmp_path / "file" / "history.csv")
