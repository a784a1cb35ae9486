"""Both families: decoding step by step is teaching; shapes, dropout and attention; bad settings."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import models
from trainer.caption_settings import CaptionConfig, CaptionData, CaptionModel, CaptionTrain
from trainer.errors import UserError

WORDS, LENGTH, SIDE = 20, 7, 16


def settings(family: str, **model: object) -> CaptionConfig:
    small = {"image_size": SIDE, "encoder_channels": (4, 8, 8), "width": 8, "units": 12, "heads": 2}
    return CaptionConfig(
        data=CaptionData(dataset="toy", length=LENGTH + 1),
        model=CaptionModel.model_validate({"family": family, **small, **model}),
        train=CaptionTrain(steps=1, dropout=0.5),
        checkpoint_root="unused",
    )


@pytest.fixture(scope="module", params=["attention_gru", "transformer"])
def captioner(request):
    keras.utils.set_random_seed(1)
    return models.family(request.param).build(settings(request.param), WORDS)


@pytest.fixture(scope="module")
def images():
    drawn = tf.random.stateless_uniform([3, SIDE, SIDE, 3], [0, 1], 0, 256, tf.int32)
    return tf.cast(drawn, tf.uint8)


@pytest.fixture(scope="module")
def tokens():
    drawn = tf.random.stateless_uniform([3, 2, LENGTH], [0, 2], 4, WORDS, tf.int32)
    return tf.concat([tf.ones([3, 2, 1], tf.int32), drawn[..., 1:]], axis=-1)


def test_step_by_step_gives_what_teaching_gives(captioner, images, tokens) -> None:
    memory = captioner.remember(images)
    taught, attention = captioner.teach(memory, tokens)
    assert taught.shape == (3, 2, LENGTH, WORDS) and taught.dtype == tf.float32
    assert attention.shape == (3, 2, LENGTH, 16)
    np.testing.assert_allclose(tf.reduce_sum(attention, -1), np.ones((3, 2, LENGTH)), atol=1e-5)
    state = captioner.begin(memory, 2)
    for position in range(LENGTH):
        logits, state = captioner.step(memory, state, tokens[:, :, position], tf.constant(position))
        np.testing.assert_allclose(logits, taught[:, :, position], atol=2e-5)


def test_a_word_depends_on_image_and_past_and_on_nothing_to_come(captioner, images, tokens) -> None:
    memory = captioner.remember(images)
    before, _ = captioner.teach(memory, tokens)
    changed = tf.concat([tokens[..., :4], (tokens[..., 4:] - 3) % 16 + 4], axis=-1)
    after, _ = captioner.teach(memory, changed)
    np.testing.assert_allclose(after[:, :, :4], before[:, :, :4], atol=1e-5)
    assert np.abs(after[:, :, 4:] - before[:, :, 4:]).max() > 1e-3
    other, _ = captioner.teach(captioner.remember(images[::-1]), tokens)
    assert np.abs(other[0] - before[0]).max() > 1e-4


def test_dropout_follows_its_seed_alone(captioner, images, tokens) -> None:
    def taught(seed: int) -> np.ndarray:
        pair = tf.constant([0, seed], tf.int64)
        memory = captioner.remember(images, seed=pair)
        return captioner.teach(memory, tokens, pair)[0].numpy()

    np.testing.assert_array_equal(taught(1), taught(1))
    assert np.abs(taught(1) - taught(2)).max() > 1e-3


def test_every_weight_is_there_and_learns(captioner, images, tokens) -> None:
    with tf.GradientTape() as tape:
        logits, _ = captioner.teach(captioner.remember(images, training=True), tokens)
        loss = tf.reduce_mean(tf.square(logits))
    gradients = tape.gradient(loss, captioner.trainable_variables)
    missing = [
        v.path for v, g in zip(captioner.trainable_variables, gradients, strict=True) if g is None
    ]
    assert not missing


@pytest.mark.parametrize(
    ("family", "model", "message"),
    [
        ("transformer", {"heads": 3}, "width is 8 and model.heads 3"),
        ("transformer", {"image_size": 18}, "image_size is 18"),
        ("attention_gru", {"encoder": "inception_v3", "encoder_weights": "no.h5"}, "no such file"),
    ],
)
def test_settings_that_do_not_fit_are_refused(family, model, message) -> None:
    if model.get("encoder"):
        model = {**model, "image_size": 75}
    with pytest.raises(UserError, match=message):
        models.family(family).build(settings(family, **model), WORDS)
