"""Any number of images: drawn in requests of bounded size, all of one version."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import generate
from serving.client import Images


class Newer:
    """A server to which a newer version comes after the first request."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, object]] = []

    def generate(self, seeds, labels, version):
        self.asked.append((len(seeds), version))
        number = version or 6 + len(self.asked)
        images = np.array(seeds, np.uint8).reshape(-1, 1, 1, 1) + np.uint8(labels[0])
        return Images(images, number)


def test_many_images_are_several_requests_to_one_version(capsys) -> None:
    server = Newer()
    images, version = generate._draw(server.generate, list(range(10)), [3] * 10, None, 4)
    assert server.asked == [(4, None), (4, 7), (2, 7)]
    assert version == 7
    assert images.ravel().tolist() == list(range(3, 13))
    assert "drawing: 10/10" in capsys.readouterr().err


def test_few_images_are_one_request_without_a_progress_line(capsys) -> None:
    server = Newer()
    generate._draw(server.generate, [1, 2], [0, 0], "stable", 4)
    assert server.asked == [(2, "stable")] and capsys.readouterr().err == ""


@pytest.mark.parametrize(("side", "channels", "rows"), [(28, 1, 256), (256, 3, 42), (4096, 3, 1)])
def test_an_answer_stays_small(side: int, channels: int, rows: int) -> None:
    assert generate.rows_for(side * side * channels) == rows
