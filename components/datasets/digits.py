"""Handwritten digits that come with scikit-learn: 28x28 grey, ten classes, no download."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets.public_api as tfds
from PIL import Image

from components.datasets.base import DatasetSpec
from trainer.progress import Progress

SPEC = DatasetSpec(
    name="digits",
    builder="components.datasets.digits:Digits",
    version="1.0.0",
    image_shape=(28, 28, 1),
    splits={"train": 1297, "test": 500},
    licence="CC BY 4.0 (UCI ML repository, E. Alpaydin and C. Kaynak, 1998)",
    origin="bundled with scikit-learn; scaled up and written as PNG on first use, in a few seconds",
    bundled=True,
    label_names=tuple(str(digit) for digit in range(10)),
    id_feature="id",
)

INK_MAX = 16
"""Largest value of a source pixel: ink cells counted in a 4x4 block of the scan."""

GLYPH, SIDE = 24, 28
SPLIT_SEED = 20


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 digits of 43 writers, laid out like MNIST: a 24x24 glyph centred on 28x28 black."""

    name = "digits"
    VERSION = tfds.core.Version(SPEC.version)
    RELEASE_NOTES = {"1.0.0": "First version."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="The digits that scikit-learn bundles (UCI optical recognition test set).",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=SPEC.image_shape, encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(SPEC.label_names)),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            license=SPEC.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        pixels, labels = load_digits(return_X_y=True)
        train, test = train_test_split(
            np.arange(len(labels)),
            test_size=SPEC.splits["test"],
            stratify=labels,
            random_state=SPLIT_SEED,
        )
        cells = pixels.reshape(-1, 8, 8)
        return {
            "train": self._generate_examples(cells, labels, train),
            "test": self._generate_examples(cells, labels, test),
        }

    def _generate_examples(
        self, cells: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        with Progress("preparing digits", len(indices), "images") as progress:
            for index in sorted(indices.tolist()):
                yield (
                    index,
                    {
                        "id": f"{index:04d}",
                        "image": io.BytesIO(encode(cells[index])),
                        "label": int(labels[index]),
                    },
                )
                progress.update()


def encode(cells: np.ndarray) -> bytes:
    """Turn one source digit into the stored image.

    Args:
      cells: float64[8,8], ink counts in 0..16.

    Returns:
      PNG bytes of a uint8[28,28,1] image: the digit scaled to 0..255, resized to 24x24 (bicubic)
      and centred on black.
    """
    grey = Image.fromarray(np.rint(cells * (255 / INK_MAX)).astype(np.uint8))
    canvas = Image.new("L", (SIDE, SIDE))
    margin = (SIDE - GLYPH) // 2
    canvas.paste(grey.resize((GLYPH, GLYPH), Image.Resampling.BICUBIC), (margin, margin))
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    return buffer.getvalue()
