"""Batch jobs: every item once, bad items cost themselves, interrupted jobs go on."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from serving import batch, batch_plan
from serving.batch_plan import Plan
from serving.errors import ServingError

ARGS = ("--runner=FnApiRunner", "--sdk_container_image=none")


def make(plan, folder, out):
    batch.run(plan, batch_plan.begin(plan, out), folder, out, ARGS)
    return batch_plan.end(out)


def test_every_seed_and_label_once_as_the_model_draws_it_alone(generator_dir, tmp_path):
    plan = Plan("digits", 1, "generate", seed=5, count=7, labels=(2, 0), chunk=4)
    rows = make(plan, generator_dir, tmp_path)
    assert [(row["seed"], row["label"]) for row in rows] == [
        (seed, label) for label in (2, 0) for seed in range(5, 12)
    ]
    import tensorflow as tf

    draw = tf.saved_model.load(str(generator_dir)).signatures["generate"]
    alone = draw(seed=tf.constant([8], tf.int64), label=tf.constant([2], tf.int64))["image"]
    drawn = Image.open(tmp_path / "images" / "label-2" / "seed-8.png")
    assert rows[3]["image"] == "images/label-2/seed-8.png"
    assert np.array_equal(np.asarray(drawn), alone[0, :, :, 0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "batch.json",
        "images",
        "manifest.jsonl",
    ]


def test_an_interrupted_job_makes_only_what_is_missing(generator_dir, tmp_path):
    plan = Plan("digits", 1, "generate", count=10, labels=(1,), chunk=2)
    assert batch_plan.begin(plan, tmp_path) == [0, 1, 2, 3, 4]
    batch.run(plan, [1, 3], generator_dir, tmp_path, ARGS)
    before = (tmp_path / "images/label-1/seed-2.png").stat().st_mtime_ns
    assert batch_plan.begin(plan, tmp_path) == [0, 2, 4]
    assert [row["seed"] for row in make(plan, generator_dir, tmp_path)] == list(range(10))
    assert (tmp_path / "images/label-1/seed-2.png").stat().st_mtime_ns == before
    assert batch_plan.begin(plan, tmp_path) == []


def test_images_that_cannot_be_read_cost_themselves_only(kit_dir, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "below").mkdir(parents=True)
    for name in ("a.png", "below/c.JPG"):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, format="PNG")
        (pictures / name).write_bytes(buffer.getvalue())
    (pictures / "b.png").write_bytes(b"no image")
    (pictures / "notes.txt").write_text("not looked at")
    plan = Plan("kit", 1, "caption", images=str(pictures), chunk=8)
    rows = make(plan, kit_dir, tmp_path / "out")
    assert [row["file"].removeprefix(str(pictures)) for row in rows] == [
        "/a.png",
        "/b.png",
        "/below/c.JPG",
    ]
    assert rows[0]["caption"] == rows[2]["caption"] == "a red circle"
    assert rows[0]["log_prob"] == -48.0
    assert "caption" not in rows[1]
    assert rows[1]["error"].startswith("Unknown image file format. One of JPEG")
    assert "node" not in rows[1]["error"] and "[Op" not in rows[1]["error"]


def test_a_model_of_another_kind_is_refused(generator_dir, kit_dir, tmp_path):
    assert batch.inputs_of(generator_dir, "generate") == {"seed", "label"}
    with pytest.raises(ServingError, match=r"signature 'caption'; .* has: generate, generate_png"):
        batch.inputs_of(generator_dir, "caption")
    with pytest.raises(ServingError, match="cannot be read"):
        batch.inputs_of(tmp_path, "caption")


def test_another_jobs_folder_is_not_touched(tmp_path):
    plan = Plan("digits", 1, "generate", count=3)
    batch_plan.begin(plan, tmp_path / "out")
    with pytest.raises(ServingError, match=r"holds another job \(version 1 -> 2\)"):
        batch_plan.begin(Plan("digits", 2, "generate", count=3), tmp_path / "out")
    (tmp_path / "out" / "batch.json").write_text("{")
    with pytest.raises(ServingError, match="is damaged"):
        batch_plan.begin(plan, tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ServingError, match="holds other files"):
        batch_plan.begin(plan, tmp_path / "mine")
    with pytest.raises(ServingError, match="no image"):
        batch_plan.image_files(tmp_path / "mine")
    with pytest.raises(ServingError, match="none' is not there: name a folder of images"):
        batch_plan.image_files(tmp_path / "none")
    with pytest.raises(ServingError, match=r"thesis\.txt' is a file: name a folder of images"):
        batch_plan.image_files(tmp_path / "mine" / "thesis.txt")
    (tmp_path / "out" / "batch.json").write_text("[]")
    with pytest.raises(ServingError, match="is damaged"):
        batch_plan.begin(plan, tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"count": 10**12}, "1000000000000 images: one job makes at most 1000000"),
        ({"count": 500_001, "labels": (1, 2)}, "1000002 images"),
        ({"count": 2, "seed": 2**63 - 1}, f"the first is at most {2**63 - 2}"),
    ],
)
def test_a_job_that_is_too_large_leaves_nothing_behind(tmp_path, given, words):
    out = tmp_path / "out"
    with pytest.raises(ServingError, match=words), batch_plan.held(out):
        batch_plan.begin(Plan("digits", 1, "generate", **given), out)
    assert not out.exists()
    batch_plan.begin(Plan("digits", 1, "generate", count=2, seed=2**63 - 2), out)


def test_two_at_once_do_not_work_on_one_job(tmp_path):
    plan, out = Plan("digits", 1, "generate", count=3), tmp_path / "out"
    with batch_plan.held(out):
        batch_plan.begin(plan, out)
        with pytest.raises(ServingError, match="another batch is at work in"), batch_plan.held(out):
            pass
    with batch_plan.held(out):
        assert batch_plan.begin(plan, out) == [0]
    (tmp_path / "file").touch()
    with pytest.raises(ServingError, match="cannot write in"), batch_plan.held(tmp_path / "file"):
        pass


def test_a_changed_folder_of_images_is_another_job(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    first = batch_plan.digest(batch_plan.image_files(tmp_path))
    (tmp_path / "a.png").write_bytes(b"22")
    assert batch_plan.digest(batch_plan.image_files(tmp_path)) != first


def test_a_server_starts_without_beam():
    code = (
        "import sys, json, serving.server, serving.model_server, serving.release, serving.canary\n"
        "print(json.dumps(sorted({'apache_beam', 'tfx'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
