"""The suffixes by which a file claims to be a scan; what it is, its content decides."""

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp", ".jp2", ".j2k"),
        *(".pbm", ".pgm", ".ppm", ".pnm", ".dcm", ".dicom", ".ima", ".nii", ".nii.gz", ".mat"),
    }
)
"""In lower case; a compressed volume has two dots."""


def claims_scan(name: str) -> bool:
    """Whether a file's name says that it is a scan.

    Example:
        >>> claims_scan("IM-0001.DCM"), claims_scan("README")
        (True, False)
    """
    return name.lower().endswith(tuple(SUFFIXES))
