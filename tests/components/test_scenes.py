"""Scenes: five true captions each, the checker that says so, and the same scenes everywhere."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import tensorflow_datasets as tfds

from components import datasets
from components.datasets.base import Source
from components.datasets.prepare import prepare
from components.datasets.scene_language import (
    PLACES,
    Counted,
    Noun,
    Present,
    Related,
    Together,
    describe,
    judge,
    parse,
)
from components.datasets.scene_world import (
    COLOURS,
    KINDS,
    RADII,
    SIDE,
    Scene,
    Shape,
    draw_lots,
    render,
)
from trainer.errors import UserError

SCENE = Scene(
    (
        Shape(0, 0, "circle", "red", "small", 11, 11),
        Shape(1, 2, "square", "blue", "large", 53, 32),
        Shape(2, 0, "circle", "blue", "large", 11, 53),
    ),
    40,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    spec = datasets.resolve("scenes", Source(size=40, seed=3))
    return prepare(spec, tmp_path_factory.mktemp("tfds"))


@pytest.mark.parametrize(
    ("caption", "facts"),
    [
        ("A small red circle.", (Present(Noun("small", "red", "circle")),)),
        ("there are two circles", (Counted(Noun(kind="circle"), 2),)),
        ("there is one red shape", (Counted(Noun(colour="red"), 1),)),
        (
            "a red circle at the top left",
            (
                Present(Noun(None, "red", "circle")),
                Present(Noun(None, "red", "circle"), PLACES[0, 0]),
            ),
        ),
        (
            "a circle is left of a blue square",
            (
                Present(Noun(kind="circle")),
                Present(Noun(None, "blue", "square")),
                Related(Noun(kind="circle"), "left of", Noun(None, "blue", "square")),
            ),
        ),
        (
            "a cross and a star",
            (
                Present(Noun(kind="cross")),
                Present(Noun(kind="star")),
                Together((Noun(kind="cross"), Noun(kind="star"))),
            ),
        ),
        ("a dog on a bed", ()),
        ("circle red a", ()),
        ("", ()),
    ],
)
def test_parse(caption, facts):
    assert parse(caption) == facts


@pytest.mark.parametrize(
    ("caption", "verdicts"),
    [
        ("there are three shapes", [True]),
        ("there are two shapes", [False]),
        ("there are two circles", [True]),
        ("there are two blue shapes", [True]),
        ("there is one large circle", [True]),
        ("there is a small red circle at the top left", [True, True]),
        ("a small red circle at the bottom", [True, False]),
        ("a red square", [False]),
        ("a red circle is above a blue circle", [True, True, True]),
        ("a red circle is below a blue circle", [True, True, False]),
        ("a blue square is right of a circle", [True, True, True]),
        ("a red circle is left of a green star", [True, False, False]),
        ("a circle and a circle", [True, True, True]),
        ("a square and a square", [True, True, False]),
        ("a red circle and a blue square and a blue circle", [True, True, True, True]),
        ("nonsense", []),
    ],
)
def test_the_checker_tells_right_from_wrong(caption, verdicts):
    assert [right for _, right in judge(caption, SCENE)] == verdicts


def test_every_caption_of_many_scenes_is_true_and_most_are_false_of_another_scene():
    scenes, captions = [], []
    for index in range(400):
        rng = np.random.default_rng([9, index])
        scenes.append(draw_lots(rng))
        captions.append(describe(scenes[-1], rng))
    seen = Counter(shape for scene in scenes for shape in scene.shapes)
    for values, name in ((KINDS, "kind"), (COLOURS, "colour"), (RADII, "size")):
        assert {getattr(shape, name) for shape in seen} == set(values)
    assert Counter(len(scene.shapes) for scene in scenes).keys() == {1, 2, 3}
    right_elsewhere = 0
    for index, scene in enumerate(scenes):
        assert len(set(captions[index])) == 5
        for caption in captions[index]:
            verdicts = judge(caption, scene)
            assert verdicts
            assert all(right for _, right in verdicts)
            right_elsewhere += all(right for _, right in judge(caption, scenes[index - 1]))
    assert right_elsewhere < 0.25 * 5 * len(scenes)


def test_shapes_are_where_the_scene_says():
    pixels = np.asarray(render(SCENE)).astype(int)
    assert pixels.shape == (SIDE, SIDE, 3)
    for shape in SCENE.shapes:
        assert tuple(pixels[int(shape.y), int(shape.x)]) == COLOURS[shape.colour]
    assert tuple(pixels[32, 11]) == (40, 40, 40)


def test_records_carry_scene_and_captions(prepared):
    rows = list(tfds.as_numpy(prepared.as_dataset("test")))
    assert len(rows) == 10
    for row in rows:
        scene = Scene.from_json(row["scene"])
        assert np.array_equal(row["image"], np.asarray(render(scene)))
        assert len(row["captions"]) == 5
        assert all(right for text in row["captions"] for _, right in judge(text.decode(), scene))
        assert json.loads(row["scene"])["background"] == scene.background


def test_the_seed_decides_and_a_larger_set_begins_like_a_smaller(prepared, tmp_path):
    def scenes(size: int, seed: int, where=tmp_path) -> dict[bytes, bytes]:
        ready = prepare(datasets.resolve("scenes", Source(size=size, seed=seed)), where)
        rows = tfds.as_numpy(ready.as_dataset("train"))
        return {row["id"]: row["scene"] for row in rows}

    small = {row["id"]: row["scene"] for row in tfds.as_numpy(prepared.as_dataset("train"))}
    assert len(small) == 40
    assert scenes(40, 3) == small
    assert small.items() <= scenes(60, 3).items()
    assert not small.items() & scenes(40, 4).items()
    assert sorted(p.name for p in (tmp_path / "scenes").iterdir()) == [
        "size40-seed3",
        "size40-seed4",
        "size60-seed3",
    ]


@pytest.mark.parametrize("source", [Source(size=2), Source(seed=-1)])
def test_impossible_sets_are_refused(source):
    with pytest.raises(UserError, match="scenes need a size of at least 4 and a seed"):
        datasets.resolve("scenes", source)


def test_other_settings_are_refused():
    with pytest.raises(
        UserError, match=r"data.folder is given, and dataset 'scenes' takes data.si"
    ):
        datasets.resolve("scenes", Source(folder="x"))
    with pytest.raises(UserError, match=r"dataset 'mnist' takes no such setting: remove it"):
        datasets.resolve("mnist", Source(size=10))
