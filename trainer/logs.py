"""The run folder: options, sheets, metrics as JSON lines, TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

METRICS, ANIMATION = "metrics.jsonl", "training.gif"
FRAME_MS = 300


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """Tile images row by row: uint8[N,H,W,C] -> uint8[N/columns*H, columns*W, C]."""
    count, height, width, channels = images.shape
    rows = count // columns
    grid = images[: rows * columns].reshape(rows, columns, height, width, channels)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


class RunFolder:
    """Writes what a person looks at during and after training.

    Holds `options.json`, `recipe.yaml`, `reals.png`, `samples-<step>.png`, `training.gif`,
    `metrics.jsonl` (one
    object per logged step) and TensorBoard events under `tensorboard/`. On a resumed run, lines
    later than the restored step are dropped: they will be written again.
    """

    def __init__(self, folder: Path, options: str, recipe: str, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "options.json").write_text(options, encoding="utf-8")
        (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
        self.seconds_spent = self._rewind(step)
        self._metrics = (folder / METRICS).open("a", encoding="utf-8", buffering=1)
        self._events = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def _rewind(self, step: int) -> float:
        """Drop metric lines after `step`; return the training seconds spent up to it."""
        path = self.folder / METRICS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [row for line in lines if (row := _parse(line)) and row["step"] <= step]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        return kept[-1]["seconds"] if kept else 0.0

    def metrics(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Append one line of figures for `step`, reached after `seconds` of training in all."""
        self.seconds_spent = seconds
        row = {"step": step, "seconds": round(seconds, 3), **values}
        self._metrics.write(json.dumps(row) + "\n")
        with self._events.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def image(self, name: str, step: int, grid: np.ndarray) -> None:
        """Write uint8[H,W,C] as `<name>.png` and to TensorBoard."""
        png = tf.io.encode_png(grid).numpy()
        (self.folder / f"{name}.png").write_bytes(png)
        with self._events.as_default(step=step):
            tf.summary.image(name.split("-")[0], grid[None])

    def histogram(self, name: str, step: int, values: tf.Tensor) -> None:
        """Write the distribution of `values`, any shape, to TensorBoard."""
        with self._events.as_default(step=step):
            tf.summary.histogram(name, values)

    def animation(self) -> None:
        """Join the fixed-noise sheets to `training.gif`, the last one shown longest."""
        files = sorted(self.folder.glob("samples-*.png"))
        frames = [Image.open(file) for file in files]
        if len(frames) > 1:
            durations = [FRAME_MS] * (len(frames) - 1) + [5 * FRAME_MS]
            first, *rest = frames
            first.save(
                self.folder / ANIMATION,
                save_all=True,
                append_images=rest,
                duration=durations,
                loop=0,
            )

    def close(self) -> None:
        """Flush everything to disk."""
        self._metrics.close()
        self._events.close()


def _parse(line: str) -> dict[str, float] | None:
    """Read one metrics line; None for the torn last line of a killed process."""
    try:
        row: dict[str, float] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row
