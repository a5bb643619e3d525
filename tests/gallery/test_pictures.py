"""Small pictures show what large ones do."""

from pathlib import Path

import numpy as np
from PIL import Image

from mriclassify._explaining import Explanation
from mriclassify._gallery._pictures import save_pictures
from mriclassify._model._prediction import Prediction


def test_a_small_lesion_keeps_its_colour(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:256, :256]
    head = np.where(np.hypot(rows - 128, columns - 128) < 110, 60 + (rows * 7 + columns * 13) % 120, 0).astype(np.uint8)
    lesion = (np.hypot(rows - 150, columns - 100) < 6).astype(np.float32)
    explanation = Explanation(
        source="a.png",
        prediction=Prediction(source="a.png", label="glioma", confidence=1.0),
        label="glioma",
        method="Grad-CAM",
        layer="last",
        heat_map=lesion / 2,
        lesion_map=lesion,
        pixels=head,
        image=head.astype(np.float32),
    )
    assert save_pictures(explanation, tmp_path, 3) == ("scan", "heat", "lesion")
    for show in ("heat", "lesion"):
        with Image.open(tmp_path / f"0003-{show}.png") as picture:
            found = np.asarray(picture.convert("RGB")).astype(int)
        assert np.abs(found - np.asarray(explanation.overlay(show=show))).max() <= 20
