"""Environment variables, read when they are needed and never at import."""

import os

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def offline() -> bool:
    """Whether downloads are switched off by `MRICLASSIFY_OFFLINE`, or, where that is not set, `HF_HUB_OFFLINE`."""
    switch = os.environ.get("MRICLASSIFY_OFFLINE") or os.environ.get("HF_HUB_OFFLINE") or ""
    return switch.strip().lower() in TRUE


def progress_hidden() -> bool | None:
    """What tqdm's `disable` should be: True where `MRICLASSIFY_PROGRESS` is off, else None (a terminal decides)."""
    return True if os.environ.get("MRICLASSIFY_PROGRESS", "").strip().lower() in FALSE else None
