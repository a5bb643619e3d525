"""Arrays and tensors: any numeric type, height x width with or without channels."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import OptionError, PixelError
from mriclassify._reading import read_slice

GREY = np.random.default_rng(0).integers(0, 100, (20, 31))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "<i4", ">i4", "u8", "f2", "f4", ">f8", "longdouble"])
def test_every_numeric_type_keeps_its_values(dtype: str) -> None:
    result = read_slice(GREY.astype(dtype))
    assert result.kind == "array"
    assert result.pixels.dtype == np.dtype("=f4")
    assert result.pixels.flags.c_contiguous
    np.testing.assert_array_equal(result.pixels, GREY)


def test_booleans_become_0_and_1() -> None:
    np.testing.assert_array_equal(read_slice(GREY > 50).pixels, GREY > 50)


@pytest.mark.parametrize("array", [GREY.T, GREY[::-1, ::-1], np.asfortranarray(GREY), GREY[::1, 3:]])
def test_any_memory_layout_is_read(array: NDArray[np.int64]) -> None:
    result = read_slice(array).pixels
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, array)


def test_a_slice_does_not_share_memory_with_its_array() -> None:
    array = GREY.astype(np.float32)
    assert not np.shares_memory(read_slice(array).pixels, array)
    assert not np.shares_memory(read_slice(array[..., None]).pixels, array)
    assert not np.shares_memory(read_slice(torch.from_numpy(array)).pixels, array)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64])
def test_equal_channels_are_exactly_that_channel(channels: int, dtype: type) -> None:
    array = np.repeat(GREY.astype(dtype)[..., None], channels, axis=2)
    np.testing.assert_array_equal(read_slice(array).pixels, GREY)


def test_channels_are_red_green_blue() -> None:
    array = np.random.default_rng(1).normal(0, 1, (20, 20, 3))
    np.testing.assert_allclose(read_slice(array).pixels, array @ [0.299, 0.587, 0.114], atol=1e-6)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_alpha_is_full_at_the_largest_value(dtype: type, full: int) -> None:
    array = np.repeat(GREY.astype(dtype)[..., None], 4, axis=2)
    array[..., 3] = full
    array[:4, :, 3] = 0
    expected = GREY.copy()
    expected[:4] = 0
    np.testing.assert_array_equal(read_slice(array).pixels, expected)


def test_alpha_of_unknown_scale_is_refused() -> None:
    with pytest.raises(PixelError, match="alpha"):
        read_slice(np.full((20, 20, 4), 255))
    with pytest.raises(PixelError, match="alpha"):
        read_slice(np.full((20, 20, 4), 255.0))


def test_an_array_equals_the_pil_image_made_of_it() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (20, 31, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_slice(rgb).pixels, read_slice(Image.fromarray(rgb)).pixels)


@pytest.mark.parametrize("shape", [(400,), (20, 20, 2), (3, 20, 20), (5, 20, 20), (1, 20, 20, 3), ()])
def test_other_shapes_are_refused_with_the_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(PixelError, match="height, width") as caught:
        read_slice(np.zeros(shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("array", [GREY + 1j, GREY.astype(object), GREY.astype(str)])
def test_what_is_no_real_number_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(PixelError, match="real numbers"):
        read_slice(array)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("layout", ["HW", "1HW", "3HW", "HW1", "HW3"])
def test_tensors_are_read_channels_first_or_last(dtype: torch.dtype, layout: str) -> None:
    tensor = torch.from_numpy(GREY).to(dtype)
    if layout != "HW":
        dim, count = (0, int(layout[0])) if layout[0].isdigit() else (2, int(layout[-1]))
        tensor = torch.stack([tensor] * count, dim=dim)
    np.testing.assert_array_equal(read_slice(tensor).pixels, GREY)


def test_a_tensor_that_needs_gradients_is_read() -> None:
    tensor = torch.from_numpy(GREY).float().requires_grad_()
    np.testing.assert_array_equal(read_slice(tensor).pixels, GREY)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(2, 3, 20, 20), torch.zeros(5, 20, 20), torch.zeros(20), torch.zeros(20, 20, device="meta")],
)
def test_tensors_that_are_no_image_are_refused(tensor: torch.Tensor) -> None:
    with pytest.raises(PixelError, match=r"tensor \("):
        read_slice(tensor)


@pytest.mark.parametrize(("bad", "count"), [(np.nan, 2), (np.inf, 2), (-np.inf, 2), (1e300, 2)])
def test_what_is_not_finite_is_refused_with_the_count(bad: float, count: int) -> None:
    array = GREY.astype(np.float64)
    array[0, :count] = bad
    with pytest.raises(PixelError, match=f"{count} of {array.size}"):
        read_slice(array)
    with pytest.raises(PixelError, match=f"{count} of {array.size}"):
        read_slice(np.stack([array, GREY, GREY + 1], axis=-1))


@pytest.mark.parametrize("shape", [(1, 1), (15, 100), (100, 15), (0, 20), (20, 0)])
def test_less_than_16_pixels_on_a_side_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(PixelError, match="at least 16"):
        read_slice(np.zeros(shape))


def test_16_pixels_on_a_side_are_enough() -> None:
    assert read_slice(np.eye(16)).pixels.shape == (16, 16)


@pytest.mark.parametrize("value", [0, -5, 255])
def test_a_blank_slice_is_refused(value: int) -> None:
    with pytest.raises(PixelError, match="every pixel has the same value"):
        read_slice(np.full((20, 20), value))


def test_an_array_has_only_index_0() -> None:
    assert read_slice(GREY, index=0).pixels.shape == GREY.shape
    for source in (GREY, torch.from_numpy(GREY), Image.fromarray(GREY.astype(np.uint8))):
        with pytest.raises(OptionError, match=r"0\.\.0"):
            read_slice(source, index=1)
