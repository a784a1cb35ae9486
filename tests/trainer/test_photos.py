"""Photographs of every kind to one square, in the graph; what cannot be read is named."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer import photos

SIDE = 8
RED, GREEN = (200, 10, 10), (10, 200, 10)


@pytest.fixture(scope="module")
def read():
    """`photos.read` as it runs in a served graph."""
    spec = [tf.TensorSpec([None], tf.string)]
    function = tf.function(lambda encoded: photos.read(encoded, SIDE), input_signature=spec)
    return lambda *files: function(tf.constant(files, tf.string, [len(files)])).numpy()


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour: object, size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new(mode, size, colour)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces this size and holds nothing."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


def animation() -> bytes:
    frames = [plain("RGB", colour) for colour in (RED, GREEN, GREEN)]
    return file(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=10, loop=0)


KINDS = {
    "rgb png": (file(plain("RGB", RED), "PNG"), RED),
    "rgb jpeg": (file(plain("RGB", RED), "JPEG", quality=95), RED),
    "grey png": (file(plain("L", 90), "PNG"), (90, 90, 90)),
    "grey jpeg": (file(plain("L", 90), "JPEG"), (90, 90, 90)),
    "palette png": (file(plain("RGB", RED).convert("P"), "PNG"), RED),
    "half transparent": (file(plain("RGBA", (*RED, 128)), "PNG"), (227, 132, 132)),
    "transparent": (file(plain("RGBA", (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
    "16 bit png": (
        file(Image.fromarray(np.full((9, 9), 0x8000, np.uint16)), "PNG"),
        (128, 128, 128),
    ),
    "cmyk jpeg": (file(plain("RGB", RED).convert("CMYK"), "JPEG", quality=95), RED),
    "animation": (animation(), RED),
    "one pixel": (file(plain("RGB", RED, (1, 1)), "PNG"), RED),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_the_same_square(read, kind) -> None:
    data, colour = KINDS[kind]
    image = read(data)[0].astype(int)
    assert image.shape == (SIDE, SIDE, 3)
    # A palette of 216 colours and JPEG are not exact.
    assert np.abs(image - colour).max() <= (30 if "palette" in kind or kind == "animation" else 3)


def test_wide_and_tall_images_are_scaled_to_fit_and_centred_on_black(read) -> None:
    wide, tall = read(
        file(plain("RGB", RED, (40, 20)), "PNG"), file(plain("RGB", RED, (10, 40)), "PNG")
    )
    assert (wide[2:6] == RED).all() and not wide[[0, 1, 6, 7]].any()
    assert (tall[:, 3:5] == RED).all() and not tall[:, [0, 1, 2, 5, 6, 7]].any()


def test_an_image_of_the_right_size_stays_as_it_is(read) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(file(Image.fromarray(pixels), "PNG"))[0], pixels)


GOOD = KINDS["rgb png"][0]
JPEG = file(Image.effect_noise((64, 64), 50), "JPEG")
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"A caption, not a picture.", "is neither JPEG nor PNG nor GIF"),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], "damaged or incomplete"),
    "jpeg of three bytes": (JPEG[:3], "damaged or incomplete"),
    "truncated png": (GOOD[:-20], "damaged or incomplete"),
    "png of eight bytes": (GOOD[:8], "damaged or incomplete"),
    "truncated gif": (animation()[:60], "damaged or incomplete"),
    "huge png": (png_header(20_000, 20_000), "has more than 50,000,000 pixels"),
    "absurd png": (png_header(2**31 - 1, 2**31 - 1), "has more than 50,000,000 pixels"),
    "huge gif": (b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(9), "has more than"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_named_by_its_position(read, kind) -> None:
    data, reason = BAD[kind]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        read(GOOD, GOOD, data, GOOD)
    assert "image 2 of 4 " in str(caught.value) and reason in str(caught.value)
    assert read(GOOD).shape == (1, SIDE, SIDE, 3)


def test_the_first_of_several_is_named_and_none_is_refused(read) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="image 1 of 3 is empty"):
        read(GOOD, b"", b"text")
    with pytest.raises(tf.errors.InvalidArgumentError, match="give an image"):
        read()


def test_a_long_animation_costs_no_more_than_its_first_frame(read) -> None:
    """A thousand frames would take 1000 * 3 * 1024^2 bytes; only one is ever decoded."""
    one = file(plain("P", 1, (1024, 1024)), "GIF")
    first = one[13 + 3 * (2 << (one[10] & 7)) : -1]
    data = one[:-1] + first * 999 + b";"
    assert Image.open(io.BytesIO(data)).n_frames == 1000
    before = peak()
    read(data)
    assert peak() - before < 200 * 2**20


def peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
