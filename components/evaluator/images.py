"""Ready-made images in a generator's place: seed n is answered with image n."""

from __future__ import annotations

import functools
import io
import posixpath
import zipfile

import numpy as np
import tensorflow as tf

from components.evaluator.contract import ContractError, size_words
from trainer.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
MODEL_FILE = "saved_model.pb"


class Images:
    """A folder of pictures, in the order of their names, or an .npz with an array `images`.

    An array `labels`, int[N], in the .npz says which class each image was meant to show.
    """

    def __init__(self, path: str) -> None:
        """Open them.

        Raises:
          UserError: Nothing there, or no images.
        """
        self._labels: np.ndarray | None = None
        self._files: list[str] = []
        if path.endswith(".npz"):
            self._array, self._labels = _read_npz(path)
        else:
            self._files = _pictures(path)
            if not self._files:
                raise UserError(
                    f"'{path}' holds neither a SavedModel nor PNG or JPEG pictures: name the "
                    "folder of one of them, or an .npz file"
                )
        self.conditional = self._labels is not None

    def __len__(self) -> int:
        return len(self._files) or len(self._array)

    def labels(self, seeds: np.ndarray, classes: int) -> np.ndarray:
        """Return int64[B]: the class each image was meant to show; -1 where nobody said."""
        return np.full(len(seeds), -1) if self._labels is None else self._labels[seeds]

    def __call__(self, seeds: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return images uint8[B,H,W,C] by their positions.

        Raises:
          ContractError: They differ in size, or one cannot be decoded.
        """
        if not self._files:
            return self._array[seeds]
        found = [self._decode(int(seed)) for seed in seeds]
        for seed, image in zip(seeds, found, strict=True):
            if image.shape != found[0].shape:
                raise ContractError(
                    f"'{self._files[seed]}' is {size_words(image.shape)}, others are "
                    f"{size_words(found[0].shape)}: pictures must be of one size"
                )
        return np.stack(found)

    def probe(self, image_shape: tuple[int, ...]) -> None:
        """Compare the first image's (height, width, channels) with the data's.

        Raises:
          ContractError: Another size.
        """
        shape = self(np.arange(1), np.zeros(1)).shape[1:]
        if shape != image_shape:
            raise ContractError(
                f"the images are {size_words(shape)}, the data's are {size_words(image_shape)}"
            )

    @functools.lru_cache(maxsize=2048)  # noqa: B019 - lives as long as its one evaluation
    def _decode(self, position: int) -> np.ndarray:
        file = self._files[position]
        try:
            content = tf.io.read_file(file)
            return tf.io.decode_image(content, expand_animations=False).numpy()
        except tf.errors.OpError as error:
            raise ContractError(f"'{file}' is no picture that can be decoded") from error


def is_model(path: str) -> bool:
    """Whether a folder holds a SavedModel."""
    return tf.io.gfile.exists(posixpath.join(path, MODEL_FILE))


def _pictures(path: str) -> list[str]:
    if not tf.io.gfile.isdir(path):
        raise UserError(f"there is no folder or .npz file '{path}'")
    walked = tf.io.gfile.walk(path)
    found = [posixpath.join(folder, name) for folder, _, names in walked for name in names]
    return sorted(name for name in found if name.lower().endswith(SUFFIXES))


def _read_npz(path: str) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = io.BytesIO(file.read())
        with np.load(content, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (tf.errors.OpError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"'{path}' cannot be read as an .npz file: {error}") from error
    images = arrays.get("images")
    if images is None or images.dtype != np.uint8 or images.ndim not in (3, 4) or not len(images):
        have = ", ".join(f"{k} {v.dtype}{list(v.shape)}" for k, v in arrays.items()) or "nothing"
        raise UserError(
            f"'{path}' needs an array 'images' of uint8 [count, height, width(, channels)]; it has "
            f"{have}"
        )
    labels = arrays.get("labels")
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise UserError(
            f"'labels' in '{path}' is {labels.dtype}{list(labels.shape)}; it must hold one whole "
            f"number for each of {len(images)} images"
        )
    images = images if images.ndim == 4 else images[..., None]
    return images, None if labels is None else labels.astype(np.int64)
