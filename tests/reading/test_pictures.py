"""Pictures: every mode gives the values that were written, as grey, upright, in float."""

import io
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from mriclassify._errors import DamagedFileError, OptionError, UnsupportedFormatError
from mriclassify._reading import _checks as checks
from mriclassify._reading import list_scans, read_slice

GREY = np.random.default_rng(0).integers(0, 256, (20, 31)).astype(np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (20, 31)).astype(np.uint16)
LUMA = np.array([0.299, 0.587, 0.114])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def colours(channels: int, dtype: type = np.uint8) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (20, 31, channels)).astype(dtype)


@pytest.mark.parametrize(
    ("pillow", "kind"),
    [
        ("PNG", "PNG"),
        ("TIFF", "TIFF"),
        ("BMP", "BMP"),
        ("GIF", "GIF"),
        ("PPM", "PNM"),
        ("JPEG2000", "JPEG 2000"),
    ],
)
def test_lossless_grey_is_read_exactly_and_named(pillow: str, kind: str) -> None:
    result = read_slice(encoded(Image.fromarray(GREY), pillow))
    assert result.kind == kind
    assert result.spacing is None
    assert result.notes == ()
    assert result.pixels.dtype == np.float32
    assert result.pixels.flags.c_contiguous
    np.testing.assert_array_equal(result.pixels, GREY)


def test_webp_without_loss_is_read_exactly() -> None:
    data = encoded(Image.fromarray(GREY).convert("RGB"), "WEBP", lossless=True)
    result = read_slice(data)
    assert result.kind == "WebP"
    np.testing.assert_array_equal(result.pixels, GREY)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_jpeg_equals_what_pillow_decodes(mode: str) -> None:
    data = encoded(Image.fromarray(GREY).convert(mode), "JPEG")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    np.testing.assert_array_equal(read_slice(data).pixels, expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_stored_with_more_channels_is_exactly_the_grey(mode: str, kind: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    np.testing.assert_array_equal(read_slice(encoded(image, kind)).pixels, GREY)
    np.testing.assert_array_equal(read_slice(image).pixels, GREY)


def test_colour_is_itu_601_luma_without_rounding() -> None:
    rgb = colours(3)
    result = read_slice(encoded(Image.fromarray(rgb), "PNG")).pixels
    np.testing.assert_allclose(result, rgb @ LUMA, atol=1e-4)
    assert (result % 1 != 0).any()


def test_one_bit_becomes_black_and_white() -> None:
    bits = GREY > 127
    result = read_slice(encoded(Image.fromarray(bits), "PNG")).pixels
    np.testing.assert_array_equal(result, bits * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_range(kind: str) -> None:
    result = read_slice(encoded(Image.fromarray(DEEP), kind)).pixels
    np.testing.assert_array_equal(result, DEEP)


@pytest.mark.parametrize(
    "values",
    [DEEP.astype(np.int32) * 100 - 3_000_000, (DEEP / 7).astype(np.float32) - 100],
    ids=["int32", "float32"],
)
def test_tiff_of_wider_numbers_keeps_them(values: NDArray[np.generic]) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(read_slice(data).pixels, values.astype(np.float32))


def test_big_endian_sixteen_bit_tiff_keeps_its_values() -> None:
    image = Image.frombytes("I;16B", (31, 20), DEEP.astype(">u2").tobytes())
    data = encoded(image, "TIFF")
    assert data.startswith(b"MM")
    np.testing.assert_array_equal(read_slice(data).pixels, DEEP)


def test_sixteen_bit_tiff_with_white_zero_is_inverted() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    data = bytearray(encoded(Image.fromarray(DEEP), "TIFF", tiffinfo=tags))
    entry = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # tag 262, a short, one value: 1
    data[entry + 8] = 0
    np.testing.assert_array_equal(read_slice(bytes(data)).pixels, 65535.0 - DEEP)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_composited_over_black(mode: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    alpha = np.full_like(GREY, 255)
    alpha[:10] = 0
    alpha[10:12] = 51
    image.putalpha(Image.fromarray(alpha))
    result = read_slice(encoded(image, "PNG")).pixels
    np.testing.assert_allclose(result, GREY * (alpha / 255.0), rtol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_a_transparent_colour_becomes_black(mode: str) -> None:
    values = DEEP if mode == "I;16" else GREY
    key = int(values[3, 4])
    image = Image.fromarray(values) if mode == "I;16" else Image.fromarray(values).convert(mode)
    # Pillow's own palette of greys is in order, so that an index is its grey.
    data = encoded(image, "PNG", transparency=(key,) * 3 if mode == "RGB" else key)
    np.testing.assert_array_equal(read_slice(data).pixels, np.where(values == key, 0, values))


def test_a_palette_gives_the_luma_of_its_colours() -> None:
    palette = colours(3)[:16, 0]
    indices = (GREY % 16).astype(np.uint8)
    image = Image.fromarray(indices, "L")
    image.putpalette(palette.tobytes())
    expected = palette[indices] @ LUMA
    np.testing.assert_allclose(read_slice(encoded(image, "PNG")).pixels, expected, atol=1e-4)


@pytest.mark.parametrize(
    "modes",
    ["CMYK", "YCbCr", "HSV", "RGBX", "RGBA RGBa", "L LA La", "L P PA"],
)
def test_rarer_modes_have_the_grey_of_their_colours(modes: str) -> None:
    image = original = Image.fromarray(colours(3))
    for mode in modes.split():
        image = image.convert(mode)
    expected = np.asarray(original.convert("L"), np.float32)
    np.testing.assert_allclose(read_slice(image).pixels, expected, atol=4)  # HSV's own rounding


def test_a_mode_without_grey_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="LAB"):
        read_slice(Image.new("LAB", (20, 20)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(orientation: int, kind: str) -> None:
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = orientation
    data = encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected = np.asarray(upright.convert("L"))
    np.testing.assert_array_equal(read_slice(data).pixels, expected)
    np.testing.assert_array_equal(read_slice(Image.open(io.BytesIO(data))).pixels, expected)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01"]
)
def test_broken_exif_leaves_a_picture_as_it_is(exif: bytes) -> None:
    data = encoded(Image.fromarray(GREY), "JPEG", exif=exif)
    np.testing.assert_array_equal(read_slice(data).pixels, read_slice(encoded(Image.fromarray(GREY), "JPEG")).pixels)


def pages(count: int) -> bytes:
    images = [Image.fromarray(np.roll(GREY, k, axis=1)) for k in range(count)]
    return encoded(images[0], "TIFF", save_all=True, append_images=images[1:])


@pytest.mark.parametrize(("index", "page"), [(None, 2), (0, 0), (3, 3), (np.int64(4), 4)])
def test_of_several_pages_the_middle_or_the_given_one_is_read(index: int | None, page: int) -> None:
    result = read_slice(pages(5), index=index)
    np.testing.assert_array_equal(result.pixels, np.roll(GREY, page, axis=1))


@pytest.mark.parametrize("index", [5, -1])
def test_a_page_out_of_range_is_refused_with_the_range(index: int) -> None:
    with pytest.raises(OptionError, match=r"0\.\.4.*5 pages"):
        read_slice(pages(5), index=index)


def test_a_plain_picture_has_only_index_0() -> None:
    data = encoded(Image.fromarray(GREY), "PNG")
    np.testing.assert_array_equal(read_slice(data, index=0).pixels, GREY)
    with pytest.raises(OptionError, match="1 page"):
        read_slice(data, index=1)
    with pytest.raises(OptionError, match="index"):
        read_slice(data, index=0.5)  # type: ignore[arg-type]


def test_a_pil_image_is_left_as_it_was() -> None:
    image = Image.open(io.BytesIO(pages(3)))
    image.seek(1)
    np.testing.assert_array_equal(read_slice(image).pixels, np.roll(GREY, 1, axis=1))
    assert image.tell() == 1
    assert image.mode == "L"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "JPEG2000", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_picture_cut_off_is_damaged_wherever_it_is_cut(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(np.kron(GREY, np.ones((4, 4), np.uint8))), kind)
    with pytest.raises((DamagedFileError, UnsupportedFormatError)) as caught:
        read_slice(data[: int(len(data) * share)])
    assert isinstance(caught.value, DamagedFileError)
    assert str(caught.value).startswith("bytes")


def test_a_lazily_opened_image_that_is_cut_off_is_damaged() -> None:
    data = encoded(Image.fromarray(np.kron(GREY, np.ones((4, 4), np.uint8))), "PNG")
    with pytest.raises(DamagedFileError):
        read_slice(Image.open(io.BytesIO(data[:-1000])))


@pytest.mark.parametrize("side", [50_000, 10_000])  # one beyond Pillow's limits, one below
def test_too_many_pixels_are_refused_before_decoding_and_without_pillows_warning(side: int) -> None:
    huge = f"P5\n{side} {side}\n255\n".encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnsupportedFormatError, match=f"{side}x{side}"):
            read_slice(huge)


def test_a_frame_beyond_pillows_limit_is_refused() -> None:
    data = bytearray(encoded(Image.fromarray(GREY), "GIF"))
    frame = data.index(b",\0\0\0\0")  # its own width and height follow
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(UnsupportedFormatError, match=r"more pixels than are read|65535x65535"):
        read_slice(bytes(data))


def test_the_limit_on_pixels_allows_scanned_films() -> None:
    assert checks.MAX_PIXELS >= 4096 * 5120
    with pytest.raises(DamagedFileError):  # only its missing pixels matter
        read_slice(b"P5\n4096 5120\n255\n")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "JPEG2000"])
def test_any_broken_byte_gives_pixels_or_an_error_of_ours(kind: str) -> None:
    rng = np.random.default_rng(3)
    whole = encoded(Image.fromarray(GREY), kind)
    outcomes = set()
    for _ in range(40):
        data = bytearray(whole)
        for place in rng.integers(4, len(data), 6):
            data[place] = rng.integers(256)
        try:
            outcomes.add(read_slice(bytes(data)).pixels.dtype.name)
        except ValueError as error:  # ReadError is one
            assert type(error).__module__ == "mriclassify._errors"
            outcomes.add("refused")
    assert outcomes <= {"float32", "refused"}


def test_reading_in_threads_restores_the_warning_filters() -> None:
    data = encoded(Image.fromarray(DEEP), "TIFF")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(read_slice, [data] * 40))
    assert warnings.filters == before
    assert all((result.pixels == DEEP).all() for result in results)


@pytest.mark.shared
def test_real_slices_are_read(shared: Path) -> None:
    jpegs = sorted((shared / "nickparvar" / "Testing" / "glioma").glob("*.jpg"))[:5]
    for path in jpegs:
        result = read_slice(path)
        assert result.kind == "JPEG"
        assert result.pixels.shape == (224, 224)
        expected = np.asarray(Image.open(path).convert("RGB"), np.float64) @ LUMA
        np.testing.assert_allclose(result.pixels, expected, atol=1e-3)
    series = list_scans(shared / "dicom_t1")
    assert len(series) == 20
    results = [read_slice(path) for path in series]
    assert {result.kind for result in results} == {"DICOM"}
    assert {result.pixels.shape for result in results} == {(384, 274)}
    assert all(result.spacing is not None for result in results)
    assert {len(result.notes) for result in results} == {1}  # ImageType says DERIVED


def png16(values: NDArray[np.uint16]) -> bytes:
    """A PNG of 16-bit channels (2: grey and alpha, 3: RGB, 4: RGBA), which Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    height, width, channels = values.shape
    colour = {2: 4, 3: 2, 4: 6}[channels]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, colour, 0, 0, 0])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_colour_keeps_its_upper_eight_bits(channels: int) -> None:
    values = np.repeat(DEEP[..., None], channels, axis=2)
    if channels in (2, 4):
        values[..., -1] = 65535
    result = read_slice(png16(values))
    np.testing.assert_array_equal(result.pixels, DEEP >> 8)
    assert result.notes == ()


def test_twelve_bits_in_sixteen_bit_colour_are_noted_since_little_is_left() -> None:
    result = read_slice(png16(np.repeat(DEEP[..., None] % 4096, 3, axis=2)))
    assert result.notes == ("Of its 16-bit colours only the upper eight bits can be read, which leaves 16 greys.",)
