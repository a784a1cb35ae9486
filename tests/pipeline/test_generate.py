"""Any number of images: drawn in requests of bounded size, all of one version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import generate
from serving.client import Images
from serving.errors import ServingError
from trainer.errors import UserError


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


def draw(tmp_path: Path, **given) -> str:
    options = {"labels": (), "count": 16, "seed": 0, "out": None, "recipe": "digits_cgan"}
    options |= {"output_dir": str(tmp_path), "target": None}
    return generate.generate_sheet(**options | given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recipe": "scenes_captions"}, "makes captions: genvision caption PHOTO --recipe scenes"),
        ({"seed": 2**63 - 1, "count": 2}, f"--seed {2**63 - 1} with --count 2: .* {2**63 - 2}$"),
        ({"seed": 10**20}, "integers of 64 bits"),
        ({"seed": -(2**63) - 1}, "integers of 64 bits"),
        ({"seed": 2**63 - 2, "count": 2}, "no version of 'digits'"),  # the last that there are
        ({"out": "FILE/"}, "is a file; name a folder"),
    ],
)
def test_mistakes_are_found_before_a_server_is_started(tmp_path, given, words) -> None:
    (tmp_path / "e.png").touch()
    if "out" in given:
        given = {"out": f"{tmp_path}/e.png/"}
    with pytest.raises(UserError, match=words):
        draw(tmp_path, **given)


def test_a_class_named_twice_is_drawn_once() -> None:
    assert generate.check_labels("digits_cgan", (3, 1, 3), ["x"] * 10) == (3, 1)


def test_a_full_disk_leaves_whole_files_only(tmp_path, monkeypatch) -> None:
    written = []

    def full(file, data):
        if len(written) == 2:
            raise ServingError(f"cannot write {file}: No space left on device")
        written.append((file.name, data[:4]))

    monkeypatch.setattr(generate, "write_whole", full)
    images = np.zeros((3, 4, 4, 1), np.uint8)
    with pytest.raises(ServingError, match=r"seed-7\.png: No space"):
        generate._write_files(tmp_path / "new", images, [5, 6, 7], [])
    assert written == [("seed-5.png", b"\x89PNG"), ("seed-6.png", b"\x89PNG")]
    assert list((tmp_path / "new").iterdir()) == []
