"""Steps per second of our loop against the loops of the literature, on the same networks and data.

    python tests/bench/bench_gan_speed.py [--rounds 7] [--seconds 3] [--clock cpu] [--network NAME]

All loops run in this one process and take turns, a round each, so that a busy machine slows all of
them alike; figures are medians over rounds, and only ratios count. The loops, written from their
descriptions:

    train_on_batch   three `train_on_batch` calls a step, fakes by `predict`
    two_tapes        one `tf.function` step per batch with two gradient tapes
    eager            the same step without `tf.function`

Ours does the same update (`update: simultaneous`, the literature's losses and optimiser) and
averages the generator's weights besides, which the others do not. The others have the networks as
they are published (`UpSampling2D` before `Conv2D`), with the weights of ours; that both then draw
the same images is checked first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import models
from trainer.adversarial import AdversarialTask
from trainer.gan_settings import GanConfig
from trainer.input import Images
from trainer.models.fourier import FourierConv2D, FourierConv2DTranspose
from trainer.models.parts import UpsampledConv2D
from trainer.pictures import Pictures

LATENT, IMAGES = 100, 6000
NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {
        "family": "dense_gan",
        "generator_channels": [256, 512, 1024],
        "discriminator_channels": [512, 256],
        "batch": 32,
    },
    "upsampling": {
        "family": "dcgan_upsampling",
        "generator_channels": [128, 128, 64],
        "discriminator_channels": [32, 64, 128],
        "batch": 32,
    },
    "transposed": {
        "family": "dcgan_transposed",
        "generator_channels": [256, 128, 64],
        "discriminator_channels": [64, 128],
        "batch": 64,
    },
}
CROSS_ENTROPY = keras.losses.BinaryCrossentropy(from_logits=True)


def settings(name: str, **train: Any) -> GanConfig:
    """Return the settings of a network of `NETWORKS` for our loop."""
    network = {**NETWORKS[name], "latent_size": LATENT}
    train |= {
        "steps": 1,
        "batch_size": network.pop("batch"),
        "loss": "non_saturating",
        "update": "simultaneous",
        "generator_learning_rate": 2e-4,
        "discriminator_learning_rate": 2e-4,
        "beta_1": 0.5,
        "beta_2": 0.999,
    }
    data = {"dataset": "noise", "image_shape": (28, 28, 1)}
    return GanConfig.model_validate(
        {"data": data, "model": network, "train": train, "checkpoint_root": ""}
    )


def ours(name: str, split: Images, **train: Any) -> Callable[[int], None]:
    """Return a function that runs some steps of our loop."""
    config = settings(name, **train)
    family = models.family(config.model.family)
    task = AdversarialTask(config, family, Pictures(config.data, split))
    batches = task.batches()
    return lambda count: task.train(batches, tf.constant(count)).numpy()


def as_published(network: keras.Model) -> keras.Model:
    """Return the same network of plain layers, as it is written down."""

    def plain(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, UpsampledConv2D):
            convolution = keras.layers.Conv2D(layer.filters, 3, padding="same")
            return keras.Sequential([keras.layers.UpSampling2D(), convolution])
        published = {
            FourierConv2D: keras.layers.Conv2D,
            FourierConv2DTranspose: keras.layers.Conv2DTranspose,
        }
        return published.get(type(layer), type(layer)).from_config(layer.get_config())

    published = keras.models.clone_model(network, clone_function=plain)
    published.set_weights(network.get_weights())
    given = [tf.random.normal([2, *network.inputs[0].shape[1:]]), tf.zeros([2], tf.int32)]
    np.testing.assert_allclose(published(given), network(given), atol=1e-4)
    return published


class Literature:
    """Networks and optimisers of one of the other loops."""

    def __init__(self, name: str, split: Images) -> None:
        config = settings(name)
        family = models.family(config.model.family)
        self.batch = config.train.batch_size
        self.generator = as_published(family.generator(config.model, config.data))
        self.discriminator = as_published(family.discriminator(config.model, config.data))
        self.images = split.images.astype(np.float32) / 127.5 - 1.0
        self.label = np.zeros(self.batch, np.int32)

    def train_on_batch(self) -> Callable[[int], None]:
        """Three `train_on_batch` calls a step."""
        adam = lambda: keras.optimizers.Adam(2e-4, 0.5)  # noqa: E731
        self.discriminator.compile(adam(), CROSS_ENTROPY)
        self.discriminator.trainable = False
        noise, label = keras.Input((LATENT,)), keras.Input((), dtype="int32")
        judged = self.discriminator([self.generator([noise, label]), label])
        combined = keras.Model([noise, label], judged)
        combined.compile(adam(), CROSS_ENTROPY)
        self.discriminator.trainable = True
        self.discriminator.compile(adam(), CROSS_ENTROPY)
        valid, fake, random = np.ones(self.batch), np.zeros(self.batch), np.random.default_rng(0)

        def run(count: int) -> None:
            for _ in range(count):
                real = self.images[random.integers(0, len(self.images), self.batch)]
                noise = random.normal(size=(self.batch, LATENT))
                made = self.generator.predict([noise, self.label], verbose=0)
                self.discriminator.train_on_batch([real, self.label], valid)
                self.discriminator.train_on_batch([made, self.label], fake)
                combined.train_on_batch([noise, self.label], valid)

        return run

    def two_tapes(self, compiled: bool = True) -> Callable[[int], None]:
        """One step function with two tapes, called once per batch."""
        optimizers = [keras.optimizers.Adam(2e-4, 0.5) for _ in range(2)]
        networks = [self.generator, self.discriminator]
        for optimizer, network in zip(optimizers, networks, strict=True):
            optimizer.build(network.trainable_variables)
        label = tf.constant(self.label)

        def step(images: tf.Tensor) -> None:
            noise = tf.random.normal([self.batch, LATENT])
            with tf.GradientTape() as tape_g, tf.GradientTape() as tape_d:
                made = self.generator([noise, label], training=True)
                real = self.discriminator([images, label], training=True)
                fake = self.discriminator([made, label], training=True)
                loss_g = CROSS_ENTROPY(tf.ones_like(fake), fake)
                loss_d = CROSS_ENTROPY(tf.ones_like(real), real)
                loss_d += CROSS_ENTROPY(tf.zeros_like(fake), fake)
            for tape, loss, network, optimizer in zip(
                (tape_g, tape_d), (loss_g, loss_d), networks, optimizers, strict=True
            ):
                gradients = tape.gradient(loss, network.trainable_variables)
                optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))

        run_step = tf.function(step) if compiled else step
        stored = tf.data.Dataset.from_tensor_slices(self.images).shuffle(len(self.images))
        batches = iter(stored.batch(self.batch, drop_remainder=True).repeat())

        def run(count: int) -> None:
            for _ in range(count):
                run_step(next(batches))

        return run


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let the loops take turns on one network; return medians and ratios."""
    images = np.random.default_rng(0).integers(0, 255, (IMAGES, 28, 28, 1), dtype=np.uint8)
    split = Images(images, np.zeros(IMAGES, np.int32))
    loops = {
        "ours": ours(name, split),
        "two_tapes": Literature(name, split).two_tapes(),
        "train_on_batch": Literature(name, split).train_on_batch(),
        "eager": Literature(name, split).two_tapes(compiled=False),
    }
    if options.jit:
        loops["ours_jit"] = ours(name, split, jit=True)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    counts = {}
    for key, loop in loops.items():
        loop(2)  # traces
        start = clock()
        loop(5)
        counts[key] = max(2, int(5 * options.seconds / (clock() - start)))
    rates: dict[str, list[float]] = {key: [] for key in loops}
    for _ in range(options.rounds):
        for key, loop in loops.items():
            start = clock()
            loop(counts[key])
            rates[key].append(counts[key] / (clock() - start))
    median = {key: statistics.median(values) for key, values in rates.items()}
    best = max(median["two_tapes"], median["train_on_batch"], median["eager"])
    return {
        "network": name,
        "clock": options.clock,
        **{key: round(value, 2) for key, value in median.items()},
        "ours/best": round(median["ours"] / best, 2),
        "ours/train_on_batch": round(median["ours"] / median["train_on_batch"], 2),
    }


def main() -> None:
    """Measure what was asked for; print one JSON line per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, action="append")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each loop's turn")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--jit", action="store_true", help="our loop also compiled by XLA")
    options = parser.parse_args()
    for name in options.network or NETWORKS:
        print(json.dumps(measure(name, options)), flush=True)


if __name__ == "__main__":
    main()
