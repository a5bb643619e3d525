"""Values that JSON can hold."""

from collections.abc import Mapping

import numpy as np


def plain(value: object) -> object:
    """Turn arrays, tuples and numpy numbers into lists and numbers, NaN and infinity into None.

    Anything that JSON has no word for (a path, a device) becomes its text.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if np.isfinite(value) else None
        case np.generic() | np.ndarray():
            return plain(value.tolist())
        case Mapping():
            return {str(key): plain(entry) for key, entry in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(entry) for entry in value]
        case _:
            return str(value)
