"""Options of the adversarial step, in the fewest trainings that show each of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer import models, runtime
from trainer.errors import UserError
from trainer.gan_settings import GanConfig
from trainer.logs import RunFolder


def make(fn_args, **train: object):
    """Build a task, with the precision its settings ask for, and its batches."""
    args = fn_args(**train)
    config = GanConfig.model_validate_json(args.custom_config["trainer"])
    with runtime.prepared(config.train):
        task = models.family("cgan").task(config, args)
    return task, task.batches()


def test_one_pass_updates_both_networks_once(fn_args) -> None:
    softened = {"loss": "non_saturating", "soft_labels": 0.2, "label_smoothing": 0.1}
    augmented = {"cutout": 0.5, "colour": True, "clip_norm": 1e-3}
    task, batches = make(fn_args, update="simultaneous", **softened, **augmented)
    before = [w.numpy() for w in (*task.generator.weights, *task.discriminator.weights)]
    values = task.train(batches, tf.constant(2)).numpy()
    after = [w.numpy() for w in (*task.generator.weights, *task.discriminator.weights)]
    assert np.isfinite(values).all()
    assert int(task.optimizer_d.iterations) == int(task.optimizer_g.iterations) == 2
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def test_wasserstein_with_gradient_penalty_and_more_discriminator_steps(fn_args) -> None:
    options = {"loss": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 3}
    task, batches = make(fn_args, **options, r1_gamma=0.0, clip_value=0.01)
    assert np.isfinite(task.train(batches, tf.constant(2)).numpy()).all()
    assert int(task.optimizer_d.iterations) == 6 and int(task.optimizer_g.iterations) == 2
    images, label = (part[:8] for part in next(batches))
    with_penalty = float(task._penalties(images, -images, label, 0))
    assert with_penalty > 0


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_and_ends_in_float32(
    fn_args,
) -> None:
    task, batches = make(fn_args, mixed_precision=True)
    assert {layer.compute_dtype for layer in task.generator.layers[-2:]} == {"bfloat16", "float32"}
    assert all(w.dtype == "float32" for w in task.generator.trainable_variables)
    images, label = next(batches)
    assert task.discriminator([images, label]).dtype == tf.float32
    assert np.isfinite(task.train(batches, tf.constant(1)).numpy()).all()


def test_gradients_of_every_weight_become_histograms(fn_args, tmp_path, monkeypatch) -> None:
    task, _ = make(fn_args)
    written = {}
    logs = RunFolder(tmp_path / "run", "{}", "", 0)
    monkeypatch.setattr(
        logs, "histogram", lambda name, step, values: written.update({name: values})
    )
    before = [w.numpy() for w in task.generator.weights]
    task.report(logs)
    logs.close()
    networks = (task.generator, task.discriminator)
    assert len(written) == sum(len(network.trainable_variables) for network in networks)
    assert all(np.isfinite(tf.convert_to_tensor(v)).all() for v in written.values())
    for old, new in zip(before, task.generator.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_scores_while_training_need_an_extractor(fn_args) -> None:
    with pytest.raises(UserError, match=r"no feature extractor: set train\.validate_every=0"):
        make(fn_args, validate_every=5)
