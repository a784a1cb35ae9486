"""The default recipe with a small budget, for real: run, run again, fail the gate, serve."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import config, nodes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(genvision, small):
    """The first run in a new folder."""
    done = genvision(*small)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def paths(output: str, folder: Path) -> dict[str, Path]:
    """Read the summary's `name  path` lines."""
    rows = re.findall(r"^(sheet|report|model|answer|log|recipe) +(\S+)$", output, re.M)
    return {name: folder / path for name, path in rows}


def test_every_node_ran_and_said_why(first: str) -> None:
    rows = re.findall(r"^\[\d+/\d+\] (\w+) +(\w+) +[\d.]+ s  (.+)$", first, re.M)
    assert sorted(name for name, _, _ in rows) == sorted(nodes.of(config.load("digits_cgan")))
    assert {(state, why) for _, state, why in rows} == {("done", "first run")}


def test_progress_and_summary_are_there(first: str, genvision) -> None:
    assert re.search(r"^training: 60/60 \[.+step/s, left 00:00, loss_d=.+\]$", first, re.M)
    assert "BLESSED" in first and "fid_digits-cnn_500" in first
    assert first.count("genvision ") >= 3, "three commands to try next"
    made = paths(first, genvision.folder)
    assert set(made) == {"sheet", "report", "model", "answer", "log", "recipe"}
    for name, path in made.items():
        assert path.exists(), name
    assert [made["model"].name] == genvision.versions()


def test_the_sheet_has_a_row_per_class_and_the_answer_came_over_the_wire(first, genvision) -> None:
    made = paths(first, genvision.folder)
    with Image.open(made["sheet"]) as sheet:
        assert sheet.height >= 10 * 28 and sheet.width >= 10 * 28
    with Image.open(made["answer"]) as answer:
        assert answer.size[0] >= 28
    assert re.search(r"over gRPC in \d+ ms", first)


def test_the_pushed_model_carries_recipe_card_and_warm_up(first, genvision) -> None:
    extra = paths(first, genvision.folder)["model"] / "assets.extra"
    assert "steps: 60" in (extra / "recipe.yaml").read_text()
    assert (extra / "model_card.md").read_text().startswith("# cgan on digits")
    assert (extra / "tf_serving_warmup_requests").stat().st_size > 0


def test_nothing_changed_means_everything_is_cached(first, genvision, small) -> None:
    done = genvision(*small)
    assert done.returncode == 0
    rows = re.findall(r"^\[\d+/\d+\] \w+ +(\w+) +[\d.]+ s  (.+)$", done.stdout, re.M)
    assert {state for state, _ in rows} == {"cached"}
    assert len(rows) == len(nodes.of(config.load("digits_cgan")))
    assert all(why.startswith("same inputs and settings as in the run of") for _, why in rows)
    assert len(genvision.versions()) == 1
    # The version was asked in the first run, and nothing of it changed.
    assert re.search(r"over gRPC in \d+ ms, asked at 20", done.stdout)
    told = json.loads(genvision("runs", "digits_cgan:2", "--json").stdout)
    assert {node["state"] for node in told[0]["nodes"]} == {"cached"}


def test_a_model_that_fails_the_gate_is_not_pushed(first, genvision, small) -> None:
    strict = "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 0.1}]"
    done = genvision(*small, "--set", strict)
    assert done.returncode == 1
    assert "NOT BLESSED" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"fid_digits-cnn_500.*0\.1", done.stderr)
    # Only the verdict was made anew, and what was serving stays and answers.
    states = dict(re.findall(r"^\[\d+/\d+\] (\w+) +(\w+)", done.stdout, re.M))
    assert states["ReferenceStatistics"] == states["Trainer"] == "cached"
    assert states["GenerativeEvaluator"] == "done"
    assert len(genvision.versions()) == 1
    asked = genvision("generate", "--label", "7", "--count", "4", "--seed", "1", "--out", "s.png")
    assert asked.returncode == 0
    assert f"version {genvision.versions()[0]}" in asked.stdout
    before = (genvision.folder / "s.png").read_bytes()
    genvision("generate", "--label", "7", "--count", "4", "--seed", "1", "--out", "s.png")
    assert (genvision.folder / "s.png").read_bytes() == before


@pytest.mark.parametrize("stage", ["record", "example", "batch", "sample"])
def test_inspect_shows_a_table_and_a_sheet(first, genvision, stage: str) -> None:
    done = genvision("inspect", "digits_cgan", "--stage", stage, "--count", "5")
    assert done.returncode == 0 and done.stderr == ""
    assert len(done.stdout.splitlines()) == 1 + 5 + 1
    with Image.open(genvision.folder / f"digits_cgan-{stage}.png") as sheet:
        assert sheet.width > 28


def test_a_slice_of_the_run_reuses_what_came_before(first, genvision, small) -> None:
    done = genvision(*small, "--from", "ServingCheck", "--no-cache")
    assert done.returncode == 0, done.stderr
    states = dict(re.findall(r"^\[\d+/\d+\] (\w+) +(\w+)", done.stdout, re.M))
    ran = {name for name, state in states.items() if state == "done"}
    assert ran == {"ServingCheck", "Pusher"}


def test_the_evaluation_is_machine_readable(first, genvision) -> None:
    report = paths(first, genvision.folder)["report"]
    found = json.loads((report.parent / "evaluation.json").read_text())
    assert found["blessed"] is True
    assert found["scores"]["fid_digits-cnn_500"]["value"] > 0


@pytest.fixture(scope="module")
def made_images(first, genvision):
    """The pushed model's own images of seeds 0 to 499: as an .npz and as a folder of pictures."""
    import tensorflow as tf

    model = tf.saved_model.load(str(paths(first, genvision.folder)["model"]))
    seeds = np.arange(500)
    given = {"seed": tf.constant(seeds), "label": tf.constant(seeds % 10)}
    images = model.signatures["generate"](**given)["image"].numpy()
    np.savez(genvision.folder / "made.npz", images=images, labels=seeds % 10)
    (genvision.folder / "made").mkdir()
    for seed, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(genvision.folder / "made" / f"{seed:03d}.png")


@pytest.mark.parametrize("given", ["model", "made.npz", "made"])
def test_evaluate_scores_a_model_an_array_and_a_folder_as_the_run_did(
    first, genvision, small, made_images, given: str
) -> None:
    made = paths(first, genvision.folder)
    target = str(made["model"]) if given == "model" else given
    done = genvision("evaluate", target, "digits_cgan", *small[2:], "--out", f"out-{given}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BLESSED" in done.stdout and "report.html" in done.stdout
    # What the run extracted is used again.
    assert re.search(r"ReferenceStatistics +cached", done.stdout)
    folder = genvision.folder / f"out-{given}"
    found = json.loads((folder / "evaluation.json").read_text())
    run = json.loads((made["report"].parent / "evaluation.json").read_text())
    # A folder says nothing about classes: what it is measured by is the same.
    expected = {k: v for k, v in run["scores"].items() if given != "made" or k in found["scores"]}
    assert set(run["scores"]) - set(found["scores"]) <= {"label_accuracy", "intra_class_fid"}
    expected.pop("class_balance")
    for name, score in expected.items():
        assert found["scores"][name]["value"] == pytest.approx(score["value"], rel=1e-6), name
    assert (folder / "report.html").stat().st_size > 10_000 and (folder / "samples.png").exists()
    assert not (folder / ".scratch").exists()


def test_evaluate_ends_with_1_and_the_reason_when_the_gate_would_refuse(
    first, genvision, small, made_images
) -> None:
    strict = "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 0.1}]"
    done = genvision("evaluate", "made.npz", "digits_cgan", *small[2:], "--set", strict)
    assert done.returncode == 1 and "NOT BLESSED" in done.stdout
    assert re.search(r"fid_digits-cnn_500.*0\.1", done.stderr)
    more = genvision("evaluate", "made.npz", "digits_cgan", "--set", "evaluate.samples=501")
    assert more.returncode == 2 and len(more.stderr.splitlines()) == 1
    assert "holds 500 images and the recipe asks for 501" in more.stderr


def test_a_second_model_is_compared_with_the_one_that_is_deployed(first, genvision, small) -> None:
    """Last: from here on there are two models."""
    again = [*small, "--set", "train.steps=61", "--set", "evaluate.margins={fid: 1000}"]
    done = genvision(*again)
    assert done.returncode == 0, done.stdout + done.stderr
    states = dict(re.findall(r"^\[\d+/\d+\] (\w+) +(\w+)", done.stdout, re.M))
    assert states["BaselineResolver"] == "done" and states["TfdsExampleGen"] == "cached"
    before, after = (
        json.loads(
            (paths(output, genvision.folder)["report"].parent / "evaluation.json").read_text()
        )
        for output in (first, done.stdout)
    )
    # The deployed model, scored anew from the same seeds, is what it was.
    assert after["baseline_scores"] == before["scores"] != after["scores"]
    assert any("of the deployed model" in check["text"] for check in after["checks"])
    assert len(genvision.versions()) == 2
    # Blessed now, it is not its own baseline: nothing runs again.
    done = genvision(*again)
    assert set(re.findall(r"^\[\d+/\d+\] \w+ +(\w+)", done.stdout, re.M)) == {"cached"}
