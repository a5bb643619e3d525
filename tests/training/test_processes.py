"""Several processes under torchrun train one model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path
from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
data = Dataset.from_folder(folder, group=lambda path: path.stem.split("_")[0])
train, validation = data.split((2 / 3, 1 / 3), seed=0)
clf = Classifier("small_cnn", preprocessing=Preprocessing(size=32), device="cpu")
averaging = float(sys.argv[3])
options = TrainingOptions(epochs=4, batch_size=4, learning_rate=3e-3, patience=3, averaging=averaging, workers=1)
clf.fit(train, validation=validation, options=options, resume=out / "run")
digest = hashlib.sha256()
for key, value in sorted(clf.bundle.network.state_dict().items()):
    digest.update(value.numpy().tobytes())
answer = {
    "weights": digest.hexdigest(),
    "history": [repr(epoch) for epoch in clf.history],
    "temperature": clf.bundle.temperature.value,
    "best": clf.history.best.validation_accuracy,
}
(out / f"rank{os.environ['RANK']}.json").write_text(json.dumps(answer))
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
@pytest.mark.parametrize("averaging", ["0", "0.9"])
def test_two_processes_end_with_the_same_weights_and_history(
    phantom_folder: Path, tmp_path: Path, averaging: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = subprocess.run(
        [*command, str(phantom_folder), str(tmp_path), averaging], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert len(first["history"]) >= 2
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["history.csv", "state.safetensors"]
