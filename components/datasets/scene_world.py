"""The world of the `scenes` data set: what a scene is, how one is drawn by lot and rendered."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64
"""Side of an image in pixels."""

COLOURS = {
    "red": (214, 48, 49),
    "green": (38, 166, 91),
    "blue": (45, 98, 217),
    "yellow": (246, 211, 45),
    "purple": (142, 68, 173),
    "white": (245, 245, 245),
}
KINDS = ("circle", "square", "triangle", "star", "cross")
RADII = {"small": 5.0, "large": 9.0}
"""Size -> distance from the centre to the outermost point, in pixels."""

GRID = 3
"""Cells per side. A shape keeps to its cell, so no shape hides another and places are plain."""

MOST_SHAPES = 3
OVERSAMPLING = 4
BACKGROUND = (20, 75)
"""Range of the grey behind the shapes; dark enough for every colour to stand out."""


@dataclasses.dataclass(frozen=True, order=True)
class Shape:
    """One shape: its cell (row 0 on top, column 0 on the left), look and centre in pixels."""

    row: int
    column: int
    kind: str
    colour: str
    size: str
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """One to three shapes in different cells, before a grey background."""

    shapes: tuple[Shape, ...]
    background: int

    def to_json(self) -> str:
        """Write the scene as JSON, the same text for the same scene."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Scene:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return cls(tuple(Shape(**shape) for shape in content["shapes"]), content["background"])


def draw_lots(rng: np.random.Generator) -> Scene:
    """Make a random scene.

    Args:
      rng: Source of randomness; the scene is a pure function of its state.

    Returns:
      A scene of one to three shapes, sorted by cell.
    """
    count = int(rng.integers(1, MOST_SHAPES + 1))
    cells = rng.choice(GRID * GRID, size=count, replace=False)
    shapes = []
    for cell in sorted(cells.tolist()):
        size = str(rng.choice(list(RADII)))
        row, column = divmod(cell, GRID)
        room = SIDE / GRID / 2 - RADII[size] - 0.5
        shift_x, shift_y = rng.uniform(-room, room, size=2).round(2).tolist()
        shapes.append(
            Shape(
                row=row,
                column=column,
                kind=str(rng.choice(KINDS)),
                colour=str(rng.choice(list(COLOURS))),
                size=size,
                x=round((column + 0.5) * SIDE / GRID + shift_x, 2),
                y=round((row + 0.5) * SIDE / GRID + shift_y, 2),
            )
        )
    return Scene(tuple(shapes), int(rng.integers(*BACKGROUND)))


def render(scene: Scene) -> Image.Image:
    """Draw a scene as an RGB image of 64x64 pixels, edges smoothed by oversampling."""
    side = SIDE * OVERSAMPLING
    canvas = Image.new("RGB", (side, side), (scene.background,) * 3)
    draw = ImageDraw.Draw(canvas)
    for shape in scene.shapes:
        fill = COLOURS[shape.colour]
        if shape.kind == "circle":
            radius = RADII[shape.size]
            corners = [(shape.x - radius, shape.y - radius), (shape.x + radius, shape.y + radius)]
            draw.ellipse(_enlarged(corners), fill=fill)
        else:
            draw.polygon(_enlarged(_outline(shape)), fill=fill)
    return canvas.resize((SIDE, SIDE), Image.Resampling.BOX)


def encode(scene: Scene) -> bytes:
    """Return the PNG bytes of `render(scene)`."""
    buffer = io.BytesIO()
    render(scene).save(buffer, format="PNG")
    return buffer.getvalue()


def _outline(shape: Shape) -> list[tuple[float, float]]:
    """Corners of a shape in pixels of the image."""
    corners = {
        "square": _turned([1.0] * 4, first=math.pi / 4),
        "triangle": _turned([1.0] * 3),
        "star": _turned([1.0, 0.42] * 5),
        "cross": _cross(0.33),
    }[shape.kind]
    radius = RADII[shape.size]
    return [(shape.x + radius * x, shape.y + radius * y) for x, y in corners]


def _turned(radii: list[float], first: float = 0.0) -> list[tuple[float, float]]:
    """Points at equal angles around the origin, the first one straight up plus `first` radians."""
    step = 2 * math.pi / len(radii)
    return [
        (r * math.sin(first + i * step), -r * math.cos(first + i * step))
        for i, r in enumerate(radii)
    ]


def _cross(arm: float) -> list[tuple[float, float]]:
    """A plus sign that reaches from -1 to 1; `arm` is half the width of its bars."""
    a, end = arm, 0.95
    quarter = [(-a, -end), (a, -end), (a, -a)]
    points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return points


def _enlarged(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
