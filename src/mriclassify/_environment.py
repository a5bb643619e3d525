"""Environment variables, read when they are needed and never at import."""

import os
from pathlib import Path

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def cache_home() -> Path:
    """Where files are kept between runs: `MRICLASSIFY_HOME`, else the user's cache folder. Nothing is made here."""
    import platformdirs  # most runs keep nothing

    home = os.environ.get("MRICLASSIFY_HOME") or platformdirs.user_cache_dir("mriclassify")
    return Path(home).expanduser().absolute()


def offline() -> bool:
    """Whether downloads are switched off by `MRICLASSIFY_OFFLINE`, or, where that is not set, `HF_HUB_OFFLINE`."""
    switch = os.environ.get("MRICLASSIFY_OFFLINE") or os.environ.get("HF_HUB_OFFLINE") or ""
    return switch.strip().lower() in TRUE


def progress_hidden() -> bool | None:
    """What tqdm's `disable` should be: True where `MRICLASSIFY_PROGRESS` is off, else None (a terminal decides)."""
    return True if os.environ.get("MRICLASSIFY_PROGRESS", "").strip().lower() in FALSE else None
