"""Training captioners on the shared loop: learns, resumes exactly, validates, draws, refuses."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer import caption_losses, models
from trainer.caption_settings import CaptionConfig
from trainer.caption_task import CaptionTask
from trainer.errors import Interrupted, UserError
from trainer.run_fn import run_fn

FAMILIES = ["attention_gru", "transformer"]


def metrics(args) -> list[dict[str, float]]:
    lines = (Path(args.model_run_dir) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_loss_is_that_of_words_and_ends_alone() -> None:
    logits = tf.constant(np.random.default_rng(0).normal(size=(2, 1, 3, 6)), tf.float32)
    targets = tf.constant([[[4, 2, 0]], [[5, 4, 2]]])
    losses = caption_losses.token_losses(logits, targets).numpy()
    log_prob = tf.nn.log_softmax(logits).numpy()
    assert losses[0, 0, 2] == 0
    assert losses[1, 0, 1] == pytest.approx(-log_prob[1, 0, 1, 4])
    smooth = caption_losses.token_losses(logits, targets, 0.1).numpy()
    expected = -0.9 * log_prob[0, 0, 0, 4] - 0.1 * log_prob[0, 0, 0].mean()
    assert smooth[0, 0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def bare(monkeypatch) -> None:
    """Leave out drawing and export: they have tests of their own."""
    for name in ("sheet", "real_sheet"):
        monkeypatch.setattr(CaptionTask, name, lambda self: np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(CaptionTask, "report", lambda self, logs: None)
    monkeypatch.setattr(
        CaptionTask, "save", lambda self, folder, seconds: Path(folder).mkdir(parents=True)
    )


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("family", FAMILIES)
def test_interrupted_and_continued_equals_unbroken(fn_args, monkeypatch, family) -> None:
    unbroken = fn_args("unbroken", family)
    run_fn(unbroken)

    inner = CaptionTask.train

    def train(self, batches, count):
        result = inner(self, batches, count)
        if int(self.step.numpy()) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    broken = fn_args("broken", family)
    with monkeypatch.context() as patch:
        patch.setattr(CaptionTask, "train", train)
        with pytest.raises(Interrupted, match="stopped at step 9 of 12"):
            run_fn(broken)
    run_fn(broken)

    before, after = metrics(unbroken), metrics(broken)
    assert [row["step"] for row in after] == [3, 6, 9, 12]
    for one, other in zip(before, after, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-5)
    assert after[-1]["validation_loss"] == pytest.approx(before[-1]["validation_loss"], abs=1e-5)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_learns(fn_args, family) -> None:
    args = fn_args("half", family, mixed_precision=True)
    run_fn(args)
    losses = [row["loss"] for row in metrics(args)]
    assert losses[-1] < losses[0] - 0.2


def test_the_run_folder_shows_captions_attention_and_perplexity(fn_args) -> None:
    args = fn_args(steps=6)
    run_fn(args)
    run = Path(args.model_run_dir)
    names = {path.name for path in run.glob("*.png")}
    assert names == {
        "reals.png", "samples-000000.png", "samples-000006.png", "attention-000006.png",
    }  # fmt: skip
    last = metrics(args)[-1]
    assert last["validation_perplexity"] == pytest.approx(np.exp(last["validation_loss"]))
    assert 0 < last["learning_rate"] <= 0.005
    sheet = np.asarray(Image.open(run / "samples-000006.png"))
    assert sheet.shape[1] == 640 and len(np.unique(sheet)) > 50
    events = [str(path) for path in (run / "tensorboard").iterdir()]
    tags = {
        value.tag
        for event in events
        for record in tf.compat.v1.train.summary_iterator(event)
        for value in record.summary.value
    }
    assert {"samples", "attention", "validation_perplexity", "loss"} <= tags


@pytest.mark.usefixtures("bare")
def test_training_ends_early_and_goes_back_to_the_best(fn_args, monkeypatch, capsys) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0])
    monkeypatch.setattr(CaptionTask, "validate", lambda self: {"validation_loss": next(losses)})
    args = fn_args(steps=40, validate_every=3, patience=2, sheet_every=40, checkpoint_every=40)
    run_fn(args)
    assert metrics(args)[-1]["step"] == 12
    assert "exporting the best checkpoint, of step 6" in capsys.readouterr().err


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_backbone_learns_only_when_it_is_to_be_fine_tuned(fn_args, fine_tune) -> None:
    args = fn_args(family="attention_gru")
    text = json.loads(args.custom_config["trainer"])
    text["model"] |= {"encoder": "resnet_50", "encoder_weights": "random", "image_size": 32}
    text["model"]["fine_tune"] = fine_tune
    config = CaptionConfig.model_validate(text)
    captioner = models.family("attention_gru").build(config, 12)
    assert captioner.grid == (1, 1)
    learned = {id(v) for v in captioner.trainable_variables}
    assert any(id(v) in learned for v in captioner.encoder.weights) is fine_tune


def test_weights_that_cannot_be_had_are_one_line(fn_args) -> None:
    args = fn_args()
    text = json.loads(args.custom_config["trainer"])
    text["model"] |= {"encoder": "inception_v3", "image_size": 75}
    args.custom_config["trainer"] = json.dumps(text)
    with pytest.raises(UserError, match="ImageNet weights of 'inception_v3' cannot be had") as e:
        run_fn(args)
    assert "\n" not in str(e.value) and "encoder_weights" in str(e.value)


@pytest.mark.usefixtures("bare")
def test_a_checkpoint_of_another_vocabulary_is_refused(
    fn_args, monkeypatch, tmp_path, transform_output, vocabulary
) -> None:
    args = fn_args()
    inner = CaptionTask.train

    def train(self, batches, count):
        os.kill(os.getpid(), signal.SIGINT)
        return inner(self, batches, count)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionTask, "train", train)
        with pytest.raises(Interrupted):
            run_fn(args)
    args.transform_output = transform_output(tmp_path / "other", vocabulary[::-1])
    with pytest.raises(UserError, match="belongs to another vocabulary"):
        run_fn(args)


def test_without_transform_there_is_one_line(fn_args) -> None:
    args = fn_args()
    args.transform_output = None
    with pytest.raises(UserError, match="need the Transform node"):
        run_fn(args)


@pytest.mark.parametrize("beam_width", [9])
def test_a_beam_wider_than_the_vocabulary_is_refused(fn_args, beam_width) -> None:
    args = fn_args()
    text = json.loads(args.custom_config["trainer"])
    text["model"]["beam_width"] = beam_width
    args.custom_config["trainer"] = json.dumps(text)
    with pytest.raises(UserError, match=r"beam_width is 9 and the vocabulary has 8 words"):
        run_fn(args)
