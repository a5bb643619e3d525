"""Scans: dropped files become single slices and series, each of which gets an answer."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mriclassify._app._uploads import Named, Upload
from mriclassify._errors import ReadError
from mriclassify._reading import Study, read_study
from mriclassify._reading._sniffing import HEAD_SIZE, is_zip, sniff

_PLACE = re.compile(r"(?:frame (?P<frame>\d+) of )?member (?P<member>\d+)|frame (?P<only>\d+) of ")
"""What `Place.name` says of a slice in a ZIP, or of a frame of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A slice or a series of slices.

    Attributes:
        name: the file's own, or what the series is called.
        upload: the file; a ZIP for the files of a series.
        series: which of several in it; None if it holds one.
        study: its slices, if there are several; None for one slice.
        fault: why it can't be read; empty if it can, as far as is known before its pixels are read.
        members: names of the files of a series that was dropped as single files.
    """

    name: str
    upload: Upload
    series: int | None = None
    study: Study | None = field(default=None, repr=False)
    fault: str = ""
    members: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many slices it has."""
        return 1 if self.study is None else len(self.study)

    def source(self, number: int) -> tuple[Named, int | None]:
        """Return where slice `number` can be read alone: a file, and the index in it."""
        if self.study is None:
            return self.upload.opened(), None
        place = self.study.places[number]
        found = _PLACE.match(place.name) if self.study.kind == "DICOM" else None
        if found is None:
            return self.upload.opened(), place.index
        if found["only"]:
            return self.upload.opened(), int(found["only"])
        content = _member(self.upload, int(found["member"]))
        return Named(content, self.named(place.name)), int(found["frame"]) if found["frame"] else None

    def named(self, text: str) -> str:
        """Return a text with the names of dropped files where it speaks of members."""

        def name(found: re.Match[str]) -> str:
            number = int(found[1]) - 1
            return self.members[number] if number < len(self.members) else found[0]

        return re.sub(r"\bmember (\d+)", name, text)


def scans_of(uploads: Sequence[Upload]) -> list[Scan]:
    """Return what was dropped, in order: several DICOM files are taken together, and parted into their series."""
    dicom = [upload for upload in uploads if sniff(upload.content[:HEAD_SIZE]) == "DICOM"]
    if len(dicom) < 2:
        return [scan for upload in uploads for scan in _of_file(upload)]
    scans, alone = _of_series(dicom)
    # What has no part in a series gets an answer of its own, or a word on why there is none.
    rest = [upload for upload in uploads if upload not in dicom or upload in alone]
    return [*scans, *(scan for upload in rest for scan in _of_file(upload))]


def _of_series(dicom: Sequence[Upload]) -> tuple[list[Scan], list[Upload]]:
    """Return the series among DICOM files, and the files that have no part in any."""
    packed, members = _packed(dicom), tuple(upload.name for upload in dicom)
    try:
        studies = _studies(packed)
    except ReadError:
        return [], list(dicom)
    places = (_PLACE.match(place.name) for study in studies for place in study.places)
    used = {int(found["member"]) for found in places if found is not None and found["member"]}
    scans = [
        _of_study(packed, study, number if len(studies) > 1 else None, members) for number, study in enumerate(studies)
    ]
    return scans, [upload for number, upload in enumerate(dicom, 1) if number not in used]


def _of_file(upload: Upload) -> Iterator[Scan]:
    try:
        studies = _studies(upload)
    except ReadError as error:
        # A file that is no series may still be a slice, and says better itself what is wrong with it.
        yield Scan(name=upload.name, upload=upload, fault=str(error) if _is_archive(upload) else "")
        return
    for number, study in enumerate(studies):
        yield _of_study(upload, study, number if len(studies) > 1 else None)


def _studies(upload: Upload) -> list[Study]:
    """Return every series of a file."""
    study = read_study(upload.opened())
    if study.n_series == 1:
        return [study]
    return [read_study(upload.opened(), series=number) for number in range(study.n_series)]


def _is_archive(upload: Upload) -> bool:
    return is_zip(upload.content[:HEAD_SIZE])


def _of_study(upload: Upload, study: Study, series: int | None, members: tuple[str, ...] = ()) -> Scan:
    name = upload.name if series is None else f"series {series + 1} of {upload.name}"
    scan = Scan(name=name, upload=upload, series=series, study=study, members=members)
    if len(study) > 1:
        return scan
    alone, index = scan.source(0)
    if index is not None and _is_archive(upload):
        return scan
    return Scan(name=alone.name, upload=Upload(alone.name, alone.getvalue()))


def _packed(files: Sequence[Upload]) -> Upload:
    """Return files as one ZIP, which is what a series is read from without a folder on the disk."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for number, upload in enumerate(files, 1):
            archive.writestr(f"{number}.dcm", upload.content)
    return Upload(f"{len(files)} DICOM files", stream.getvalue())


def _member(upload: Upload, number: int) -> bytes:
    """Return a member of an archive, from 1, which has been read before, within the limits of `read_study`."""
    with zipfile.ZipFile(upload.opened()) as archive:
        return archive.read(archive.infolist()[number - 1])
