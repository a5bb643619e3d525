"""Pictures become pixels: Pillow decodes, numpy converts to grey.

Pillow's own conversion to grey clips 16-bit values at 255, so it is not used for them. 16-bit *colour* is
another matter: Pillow decodes its upper eight bits only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from mriclassify._errors import UnsupportedFormatError
from mriclassify._reading._checks import check_size, place
from mriclassify._reading._foreign import FOREIGN_ERRORS, damaged, quiet
from mriclassify._reading._grey import as_float32, chroma, grey
from mriclassify._reading._raw import Raw
from mriclassify._shapes import Pixels


class _Opener(Protocol):
    def __call__(self, fp: BinaryIO) -> Image.Image: ...


# Opened by class rather than by Image.open, so that no other decoder is tried, and so that ours is the only
# limit on size: Image.open warns from 89 million pixels on, with a filter list that all threads share.
_OPENERS: dict[str, _Opener] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "JPEG 2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNM": PpmImagePlugin.PpmImageFile,
}

_NUMERIC = ("L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_AS_CHANNELS = ("LA", "RGB", "RGBA")
_VIA = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB"}

# Pillow leaves EXIF and XMP, which may say how the camera was held, under these names.
_ROTATION_HINTS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}

_WHITE_IS_ZERO = 0

_ENOUGH_GREYS = 64


def read_picture(stream: BinaryIO, kind: str, name: str, index: int | None) -> Raw:
    """Return the grey values (height, width) of a picture file of `kind`; of several pages, page `index`."""
    with damaged(name, kind, private=False), quiet(), _bounded(name):
        image = _OPENERS[kind](stream)
        check_size(image.height, image.width, name)
        pages = getattr(image, "n_frames", 1)
        page = place(index, pages, what="page", name=name)
        if pages > 1:
            image.seek(page)
            check_size(image.height, image.width, name)
        is_cut = _loses_bits(image)
        pixels = _upright_grey(image, name)
        notes = _note_on_lost_bits(pixels) if is_cut else ()
        return Raw(pixels, kind, notes=notes, colour=colour_of(image))


def count_pages(stream: BinaryIO, kind: str, name: str) -> int:
    """Return how many pages a picture file has, which is at its first byte."""
    with damaged(name, kind, private=False), quiet(), _bounded(name):
        image = _OPENERS[kind](stream)
        check_size(image.height, image.width, name)
        return max(1, int(getattr(image, "n_frames", 1)))


def read_image(image: Image.Image, name: str) -> Pixels:
    """Return the grey values (height, width) of the current page of a PIL image, which is left as it is."""
    with damaged(name, image.format or "PIL", private=False), quiet(), _bounded(name):
        check_size(image.height, image.width, name)
        return _upright_grey(image, name)


@contextmanager
def _bounded(name: str) -> Iterator[None]:
    """Turn Pillow's own limit, on frames that a header did not tell of, into an error of ours."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise UnsupportedFormatError(f"{name} claims more pixels than are read: reduce it first.") from error


def _upright_grey(image: Image.Image, name: str) -> Pixels:
    """Return the grey values of `image`, rotated as its EXIF says."""
    image.load()  # first: Pillow rotates TIFF while loading, and then forgets the orientation
    return _upright(_grey_values(image, name), _orientation(image))


def _loses_bits(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet has 16-bit channels of which Pillow keeps the upper eight bits."""
    return image.mode in _AS_CHANNELS and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _note_on_lost_bits(pixels: Pixels) -> tuple[str, ...]:
    # 12-bit values in 16-bit colour are left with 16 greys; eight bits of full range lose nothing that matters.
    greys = int(pixels.max() - pixels.min()) + 1
    if greys >= _ENOUGH_GREYS:
        return ()
    return (f"Of its 16-bit colours only the upper eight bits can be read, which leaves {greys} greys.",)


def _grey_values(image: Image.Image, name: str) -> Pixels:
    """Return the grey values of a loaded image of any mode, on the scale of its mode."""
    mode = image.mode
    transparency = image.info.get("transparency")
    if mode == "P":
        return grey(np.asarray(image.convert("RGB" if transparency is None else "RGBA")))
    if mode in _VIA:
        return grey(np.asarray(image.convert(_VIA[mode])))
    if mode == "1":
        values = np.asarray(image.convert("L"))  # 0 and 255
    elif mode in _NUMERIC or mode in _AS_CHANNELS:
        values = np.asarray(image)
    else:
        raise UnsupportedFormatError(f"{name} has the colour mode {mode}, which is not read: save it as grey or RGB.")
    pixels = grey(values)
    if isinstance(transparency, int | tuple):
        key = values == transparency
        pixels[key if values.ndim == 2 else key.all(axis=2)] = 0
    return _white_is_high(image, pixels)


def _white_is_high(image: Image.Image, pixels: Pixels) -> Pixels:
    """Invert 16-bit TIFF in which zero is white; Pillow does so for 8 bits only."""
    if not (isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode.startswith("I;16")):
        return pixels
    photometric = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
    return as_float32(65535 - pixels) if photometric == _WHITE_IS_ZERO else pixels


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1 is upright."""
    if _ROTATION_HINTS.isdisjoint(image.info):
        return 1  # nearly always: parsing what is not there would double the time of a small JPEG
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation)
    except FOREIGN_ERRORS:
        return 1  # broken EXIF is common in pictures from the web, and says nothing about the pixels
    return int(value) if value in range(1, 9) else 1


def colour_of(image: Image.Image) -> float:
    """Return the mean chroma of a loaded image, 0..1; 0 for grey ones."""
    if image.mode in _NUMERIC or image.mode in ("1", "LA", "La"):
        return 0.0
    has_alpha = image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info
    return chroma(np.asarray(image.convert("RGBA" if has_alpha else "RGB")))


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return `pixels` turned upright from EXIF's `orientation` (TIFF 6.0, tag 274)."""
    if orientation == 1:
        return pixels
    turned = {
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels),
    }
    return np.ascontiguousarray(turned[orientation])
