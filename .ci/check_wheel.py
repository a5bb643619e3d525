"""Fail unless a wheel holds what users need, and no more: python .ci/check_wheel.py FILE"""

import hashlib
import json
import sys
from pathlib import Path
from zipfile import ZipFile

LARGEST = 12_000_000
TABLE = "mriclassify/_likeness/known_slices.npz"
LARGEST_TABLE = 400_000


def faults(wheel: Path) -> list[str]:
    """Return what is wrong with the wheel, in words."""
    found = []
    if wheel.stat().st_size >= LARGEST:
        found.append(f"it has {wheel.stat().st_size:,} bytes, {LARGEST:,} or more")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        needed = {"mriclassify/py.typed", "mriclassify/_weights/registry.json", TABLE}
        found += [f"{name} is missing" for name in sorted(needed - names)]
        strangers = [name for name in sorted(names) if not name.startswith(("mriclassify/", "mriclassify-"))]
        found += [f"{name} does not belong into it" for name in strangers]
        if not any(name.endswith("/LICENSE") for name in names):
            found.append("the licence is missing")
        if TABLE in names and archive.getinfo(TABLE).file_size > LARGEST_TABLE:
            found.append(f"the table of known slices has more than {LARGEST_TABLE:,} bytes")
        if not needed - names:
            found += weights_faults(archive, names)
    return found


def weights_faults(archive: ZipFile, names: set[str]) -> list[str]:
    """Return what is wrong with the weights: the default must be there, and all as published."""
    registry = json.loads(archive.read("mriclassify/_weights/registry.json"))
    packaged = {record["name"]: record for record in registry["weights"] if record.get("packaged")}
    found = [] if registry.get("default") in packaged else ["the default weights are not packaged"]
    for record in packaged.values():
        name = f"mriclassify/_weights/{record['file']}"
        if name not in names:
            found.append(f"{name} is missing")
        elif hashlib.sha256(archive.read(name)).hexdigest() != record["sha256"]:
            found.append(f"{name} has another sha256 than the registry says")
    return found


def main() -> None:
    """Say what is wrong, or what is there."""
    wheel = Path(sys.argv[1])
    if found := faults(wheel):
        sys.exit(f"{wheel.name}: " + "; ".join(found))
    sys.stdout.write(f"{wheel.name}: {wheel.stat().st_size:,} bytes, with default weights and types\n")


if __name__ == "__main__":
    main()
