"""Encoded images of any kind and size to the square that a captioner sees; the same everywhere.

The rule: the image is scaled, with antialiasing, until it just fits into the square, and centred on
black: nothing is cut away and nothing is stretched. Transparent parts are laid over white, grey and
CMYK become RGB, 16 bits become 8, of an animation the first frame counts. Orientation tags are
not applied.
"""

from __future__ import annotations

import tensorflow as tf

MOST_PIXELS = 50_000_000
"""Images with more are refused from their header, before anything is decoded."""

_PARALLEL = 4
"""Images decoded at once: bounds the memory of a batch of large ones."""

_OK, _EMPTY, _UNKNOWN, _LARGE, _DAMAGED = range(5)
REASONS = (
    "is fine",
    "is empty",
    "is neither JPEG nor PNG nor GIF",
    f"has more than {MOST_PIXELS:,} pixels",
    "cannot be decoded: it is damaged or incomplete",
)
"""What a status says of an image."""


def read(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """Decode and fit a batch.

    Args:
      encoded: string[B]: JPEG, PNG or GIF.
      side: S.

    Returns:
      uint8[B,S,S,3].

    Raises:
      InvalidArgumentError: Nothing was given, or an image is empty, of another kind, too large or
        damaged; the message names its position in the batch, counted from 0.
    """
    given = tf.debugging.Assert(tf.size(encoded) > 0, ["image_bytes is empty: give an image"])
    with tf.control_dependencies([given] if given is not None else []):
        pixels, status = try_read(encoded, side)
    bad = tf.concat([tf.where(status != _OK)[:, 0], [0]], axis=0)[0]
    reason = tf.gather(tf.constant(REASONS), status[bad])
    count = tf.strings.as_string(tf.size(encoded))
    message = tf.strings.join(["image ", tf.strings.as_string(bad), " of ", count, " ", reason])
    fine = tf.debugging.Assert(tf.reduce_all(tf.equal(status, _OK)), [message])
    with tf.control_dependencies([fine] if fine is not None else []):
        return tf.identity(pixels)


def try_read(encoded: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode and fit what can be: uint8[B,S,S,3], black where it failed, and int32[B] status.

    Status 0 is success, the others see `REASONS`. A decoder's error would end the whole graph
    without saying at which image; as an element of a data set it only goes missing.
    """
    count = tf.size(encoded)

    def one(index: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        pixels, status = _decode(data, side)
        return index, pixels, status

    nothing = (count, tf.zeros([side, side, 3], tf.uint8), _OK)
    found = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), encoded))
        .map(one, num_parallel_calls=_PARALLEL)
        .ignore_errors()
        .concatenate(tf.data.Dataset.from_tensors(nothing))  # a batch of none is no element at all
        .batch(tf.cast(count, tf.int64) + 1)
        .get_single_element()
    )
    where, pixels, status = found[0][:, None], found[1], found[2]
    every = tf.scatter_nd(where, pixels, [count + 1, side, side, 3])
    known = tf.tensor_scatter_nd_update(tf.fill([count + 1], _DAMAGED), where, status)
    return tf.ensure_shape(every[:-1], [None, side, side, 3]), known[:-1]


def fit(image: tf.Tensor, side: int) -> tf.Tensor:
    """Scale and pad: uint8[H,W,3] to uint8[side,side,3]."""
    fitted = tf.image.resize_with_pad(image, side, side, antialias=True)
    return tf.ensure_shape(_to_bytes(fitted), [side, side, 3])


def _decode(data: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Look at the header, and decode one image only if that is good."""
    begins = lambda text: tf.equal(tf.strings.substr(data, 0, len(text)), text)  # noqa: E731
    png, jpeg, gif = begins(b"\x89PNG\r\n\x1a\n"), begins(b"\xff\xd8\xff"), begins(b"GIF8")
    area = tf.case(
        [(png, lambda: _area(data, 16, tf.int32, False)), (jpeg, lambda: _jpeg_area(data))],
        default=lambda: tf.cond(gif, lambda: _area(data, 6, tf.uint16, True), _no_area),
    )
    status = tf.where(area > MOST_PIXELS, _LARGE, _OK)
    status = tf.where(png | jpeg | gif, status, _UNKNOWN)
    status = tf.where(tf.equal(tf.strings.length(data), 0), _EMPTY, status)
    pixels = tf.case(
        [
            (status != _OK, lambda: tf.zeros([side, side, 3], tf.uint8)),
            (png, lambda: _over_white(tf.io.decode_png(data, channels=4))),
            (jpeg, lambda: tf.io.decode_jpeg(data, channels=3)),
        ],
        default=lambda: tf.io.decode_gif(_first_frame(data))[0],
    )
    # Once for all kinds: TensorFlow keeps what an element's function was compiled to until the
    # process ends, for each signature of each version that was ever loaded.
    return fit(pixels, side), status


def _area(data: tf.Tensor, at: int, kind: tf.DType, little: bool) -> tf.Tensor:
    """Width times height as two numbers of `kind` at a place in the header; int64."""
    text = tf.strings.substr(data, at, 2 * kind.size)
    sides = tf.cast(tf.io.decode_raw(text, kind, little_endian=little), tf.int64)
    return tf.reduce_prod(sides % 2**32)


def _jpeg_area(data: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(data)[:2], tf.int64))


def _no_area() -> tf.Tensor:
    return tf.constant(0, tf.int64)


def _over_white(image: tf.Tensor) -> tf.Tensor:
    """Lay uint8[H,W,4] over white: uint8[H,W,3]."""
    alpha = tf.cast(image[..., 3:], tf.float32) / 255.0
    return _to_bytes(tf.cast(image[..., :3], tf.float32) * alpha + 255.0 * (1.0 - alpha))


def _first_frame(gif: tf.Tensor) -> tf.Tensor:
    """Cut a GIF after its first image: the decoder would make every frame of an animation.

    Follows the blocks of the GIF89a specification; a step beyond the end is an error.
    """
    raw = tf.cast(tf.io.decode_raw(gif, tf.uint8), tf.int32)

    def table(flags: tf.Tensor) -> tf.Tensor:
        """Bytes of the colour table that these flags announce."""
        size = 3 * tf.bitwise.left_shift(2, flags & 7)
        return tf.where((flags & 128) > 0, size, 0)

    def after_parts(at: tf.Tensor) -> tf.Tensor:
        """Skip parts, each led by its length, up to the empty one."""
        (last,) = tf.while_loop(lambda a: raw[a] > 0, lambda a: (a + raw[a] + 1,), (at,))
        return last + 1

    start = 13 + table(raw[10])
    is_extension = lambda at: tf.equal(raw[at], 0x21)  # noqa: E731
    (image,) = tf.while_loop(is_extension, lambda at: (after_parts(at + 2),), (start,))
    end = after_parts(image + 11 + table(raw[image + 9]))
    return tf.strings.substr(gif, 0, end) + b";"


def _to_bytes(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(values), 0.0, 255.0), tf.uint8)
