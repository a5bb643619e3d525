"""A run that was stopped and gone on with ends as if it had never been stopped."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mriclassify import Classifier, Dataset, Epoch, OutputError, TrainingError

Fit = Callable[..., Classifier]


class StopError(Exception):
    """What stops a run half-way in these tests."""


def stop_after(number: int) -> Callable[[Epoch], None]:
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == number:
            raise StopError

    return stop


def timeless(clf: Classifier) -> list[Epoch]:
    assert clf.history is not None
    return [replace(epoch, seconds=0.0) for epoch in clf.history]


def assert_same_model(a: Classifier, b: Classifier) -> None:
    mine, others = a.bundle.network.state_dict(), b.bundle.network.state_dict()
    assert mine.keys() == others.keys()
    assert [key for key in mine if not torch.equal(mine[key], others[key])] == []
    assert a.bundle.temperature == b.bundle.temperature
    assert timeless(a) == timeless(b)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_stopped_and_resumed_run_is_the_uninterrupted_one(fit: Fit, tmp_path: Path, precision: str) -> None:
    whole = fit(epochs=3, precision=precision)
    for number in (1, 2):
        with pytest.raises(StopError):
            fit(epochs=3, precision=precision, resume=tmp_path, on_epoch=stop_after(number))
    assert_same_model(fit(epochs=3, precision=precision, resume=tmp_path), whole)
    with (tmp_path / "history.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]


def test_stopped_and_resumed_run_goes_on_with_the_mean_of_its_weights(fit: Fit, tmp_path: Path) -> None:
    whole = fit(epochs=3, averaging=0.9)
    for number in (1, 2):
        with pytest.raises(StopError):
            fit(epochs=3, averaging=0.9, resume=tmp_path, on_epoch=stop_after(number))
    # What was decoded before a run was stopped makes no difference.
    resumed = fit(epochs=3, averaging=0.9, memory=0, resume=tmp_path)
    assert_same_model(resumed, whole)
    mine, others = resumed.bundle.network.state_dict(), fit(epochs=3).bundle.network.state_dict()
    assert not torch.equal(mine["head.weight"], others["head.weight"])


def test_frozen_backbone_and_patience_resume_too(fit: Fit, tmp_path: Path) -> None:
    options = {"epochs": 9, "patience": 2, "freeze_backbone": True, "learning_rate": 0}
    whole = fit(**options)
    with pytest.raises(StopError):
        fit(**options, resume=tmp_path, on_epoch=stop_after(2))
    assert_same_model(fit(**options, resume=tmp_path), whole)
    assert len(whole.history or ()) == 3


def test_run_that_was_finished_is_only_loaded(fit: Fit, tmp_path: Path) -> None:
    whole = fit(resume=tmp_path)
    again = fit(resume=tmp_path, on_epoch=lambda _: pytest.fail("trained again"))
    assert_same_model(again, whole)


def test_half_files_of_a_killed_run_are_passed_over(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / ".state.safetensors.1.part").write_bytes(b"half")
    (tmp_path / ".history.csv.1.part").write_text("epo")
    (tmp_path / "history.csv").write_text("epoch,train_loss\r\n1,")
    assert_same_model(fit(resume=tmp_path), fit())


def test_precision_that_was_measured_is_not_measured_again(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mriclassify._training import _precision

    monkeypatch.setattr(_precision, "_step_seconds", lambda *_, **__: {"fp32": 2.0, "bf16": 1.0})
    with pytest.raises(StopError):
        fit(precision="auto", resume=tmp_path, on_epoch=stop_after(1))
    monkeypatch.setattr(_precision, "_step_seconds", lambda *_, **__: pytest.fail("measured again"))
    resumed = fit(precision="auto", resume=tmp_path)
    assert timeless(resumed) == timeless(fit(precision="bf16"))


def test_other_options_or_data_are_refused_by_what_changed(
    fit: Fit, tmp_path: Path, parts: tuple[Dataset, Dataset]
) -> None:
    fit(epochs=1, resume=tmp_path)
    for changes, said in [
        ({"epochs": 2}, "epochs was 1, now 2"),
        ({"epochs": 1, "seed": 4}, "seed was 0, now 4"),
        ({"epochs": 1, "averaging": 0.9}, r"averaging was 0\.0, now 0\.9"),
        ({"epochs": 1, "augmentation": None}, r"augmentation was Augmentation\(.*\), now None"),
        ({"epochs": 1, "size": 48}, "preprocessing was .*size=32.*size=48"),
        ({"epochs": 1, "data": parts[0][1:]}, "training slices was 32 of .*, now 31 of "),
        ({"epochs": 1, "validation": parts[1][1:]}, "validation slices was 16 of .*, now 15 of "),
    ]:
        with pytest.raises(TrainingError, match=f"begun differently.*{said}") as caught:
            fit(resume=tmp_path, **changes)
        assert str(tmp_path) in str(caught.value)


def test_module_of_the_same_name_but_another_shape_is_refused(fit: Fit, tmp_path: Path) -> None:
    from mriclassify._model._small_cnn import SmallCNN

    fit(epochs=1, backbone=SmallCNN(width=4), resume=tmp_path)
    with pytest.raises(TrainingError, match="another network"):
        fit(epochs=1, backbone=SmallCNN(width=8), resume=tmp_path)


def test_folder_that_cannot_be_written_is_refused_before_the_first_epoch(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match="file"):
            fit(resume=folder, augmentation=lambda *_: pytest.fail("trained first"))


# Imports once, then trains in a fork for each argument, and says how each ended.
SCRIPT = """
import os, sys, time
from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions
from mriclassify._training import _fitting

folder, run, *waits = sys.argv[1:]

def train(wait):
    data = Dataset.from_folder(folder, group=lambda path: path.stem.split("_")[0])
    train, validation = data.split((2 / 3, 1 / 3), seed=0)
    clf = Classifier("small_cnn", preprocessing=Preprocessing(size=32), device="cpu")
    options = TrainingOptions(epochs=4, batch_size=8, learning_rate=3e-3, precision="fp32", averaging=0.9)
    clf.fit(train, validation=validation, options=options, resume=run, on_epoch=lambda _: time.sleep(wait))
    clf.save(run + "/model.safetensors")

for wait in waits:
    child = os.fork()
    if not child:
        train(float(wait))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def kill_when(child: int, condition: Callable[[], bool]) -> None:
    """Send SIGKILL, which no program can prepare for, as soon as `condition` holds."""
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, "the run did not get that far"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that holds torch")
def test_run_killed_again_and_again_ends_with_the_weights_of_one_that_was_not(
    fit: Fit, phantom_folder: Path, tmp_path: Path
) -> None:
    history, state = tmp_path / "history.csv", tmp_path / "state.safetensors"

    def lines(count: int) -> bool:
        return history.exists() and len(history.read_text().splitlines()) >= count

    # At once, when perhaps only the first of an epoch's two files is there; and while on_epoch sleeps.
    moments = [("0", lambda: lines(2)), ("0.5", lambda: lines(3) and state.exists()), ("0", lambda: lines(4))]
    command = [sys.executable, "-c", SCRIPT, str(phantom_folder), str(tmp_path), *(wait for wait, _ in moments), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _, condition in moments:
            kill_when(int(process.stdout.readline()), condition)
            assert process.stdout.readline().strip() == str(-signal.SIGKILL)
        process.stdout.readline()
        assert process.stdout.readline().strip() == "0"
    resumed, whole = (
        Classifier.from_pretrained(tmp_path / "model.safetensors", device="cpu"),
        fit(epochs=4, averaging=0.9),
    )
    mine, others = resumed.bundle.network.state_dict(), whole.bundle.network.state_dict()
    assert [key for key in mine if not torch.equal(mine[key], others[key])] == []
    assert resumed.bundle.temperature == whole.bundle.temperature
    with history.open(newline="") as file:
        rows = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert rows == [epoch.train_loss for epoch in whole.history or ()]
