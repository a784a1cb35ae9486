"""Trains a domain extractor and measures it on held-out images: `genvision extractor train`."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from components import datasets
from components.metrics import extractors
from trainer.errors import unknown_name
from trainer.progress import Progress

SEED = 20


@dataclasses.dataclass(frozen=True)
class Budget:
    """How an extractor is trained.

    Attributes:
      width: Feature maps of the first stage; see `network.classifier`.
      stages: Its number of stages.
      epochs: Passes over the train split.
      batch: Images per step.
      rate: Peak learning rate of AdamW, warmed up and brought to 0 along a cosine.
      shift: Largest random shift, as a share of the side.
      turn: Largest random rotation, as a share of a full turn.
      zoom: Largest random zoom, as a share of the side.
      flip: Whether mirrored images are of the same class.
    """

    width: int = 32
    stages: int = 2
    epochs: int = 8
    batch: int = 64
    rate: float = 3e-3
    shift: float = 0.07
    turn: float = 0.03
    zoom: float = 0.1
    flip: bool = False


BUDGETS = {
    "digits": Budget(epochs=40),
    "mnist": Budget(width=24, stages=3, epochs=8, batch=128),
    "fashion_mnist": Budget(
        width=24, stages=3, epochs=14, batch=128, turn=0.0, zoom=0.05, shift=0.04, flip=True
    ),
    "cifar10": Budget(stages=3, epochs=16, batch=128, turn=0.0, zoom=0.0, flip=True),
}


def read(name: str, data_dir: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a whole split: uint8[N,H,W,C] and int64[N], in stored order."""
    import tensorflow as tf

    from components.datasets.prepare import prepare

    spec = datasets.get(name)
    data = prepare(spec, data_dir).as_dataset(split=split, batch_size=spec.splits[split])
    batch = next(iter(data))
    return batch[spec.image_feature].numpy(), tf.cast(batch[spec.label_feature], tf.int64).numpy()


def train(
    images: np.ndarray, labels: np.ndarray, classes: int, budget: Budget
) -> dict[str, np.ndarray]:
    """Train the classifier with fixed seeds.

    Args:
      images: uint8[N,H,W,C].
      labels: int64[N] in 0..`classes`-1.
      classes: Number of classes.
      budget: How long and how.

    Returns:
      The weights, as `network.weights` gives them.
    """
    import keras
    import tensorflow as tf

    from components.metrics.network import classifier, weights

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    model, _ = classifier(images.shape[1:], classes, budget.width, budget.stages)
    steps = budget.epochs * (len(images) // budget.batch)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=budget.rate, warmup_steps=steps // 10
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).cache()
    data = data.shuffle(len(images), seed=SEED).batch(budget.batch, drop_remainder=True)
    change = _augmentation(budget)
    data = data.map(lambda x, y: (change(tf.cast(x, tf.float32) / 255.0), y))
    with Progress("training the extractor", budget.epochs, "epochs") as progress:
        report = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: progress.update(1, loss=float(logs["loss"]))
        )
        model.fit(data, epochs=budget.epochs, verbose=0, shuffle=False, callbacks=[report])
    return weights(model)


def save(card: extractors.Card, stored: dict[str, np.ndarray], out: Path) -> extractors.Card:
    """Write weights and card, the card last; returns the card with the file's fingerprint."""
    buffer = io.BytesIO()
    # mypy takes the arrays of ** for the flag allow_pickle.
    np.savez_compressed(buffer, **stored)  # type: ignore[arg-type]
    card = dataclasses.replace(card, fingerprint=extractors.fingerprint(buffer.getvalue()))
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, content in (
        (out, buffer.getvalue()),
        (
            out.with_suffix(".json"),
            (json.dumps(dataclasses.asdict(card), indent=2) + "\n").encode(),
        ),
    ):
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_bytes(content)
        aside.replace(path)
    return card


def check_name(name: str) -> None:
    """Raise UserError when no budget is known for this data set."""
    if name not in BUDGETS:
        raise unknown_name("extractor", name, BUDGETS)


def make(name: str, data_dir: str, out: Path) -> extractors.Card:
    """Train, measure and store the extractor of one data set.

    Raises:
      UserError: No such extractor, or its data cannot be had.
    """
    check_name(name)
    spec, budget = datasets.get(name), BUDGETS[name]
    images, labels = read(name, data_dir, "train")
    stored = train(images, labels, spec.num_classes, budget)
    card = extractors.Card(
        name=f"{name}-cnn",
        dataset=name,
        version=spec.version,
        image_shape=tuple(images.shape[1:]),
        classes=spec.num_classes,
        width=budget.width,
        stages=budget.stages,
        feature_dim=budget.width * 2 ** (budget.stages - 1),
        train_images=len(images),
        test_images=spec.splits["test"],
        test_accuracy=0.0,
        fingerprint="",
        remake=f"genvision extractor train {name}",
    )
    accuracy = measure(extractors.Extractor(card, stored), *read(name, data_dir, "test"))
    return save(dataclasses.replace(card, test_accuracy=accuracy), stored, out)


def measure(extractor: extractors.Extractor, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that the extractor recognises."""
    starts = range(0, len(images), 1000)
    found = [extractor(images[i : i + 1000])[1].argmax(axis=1) for i in starts]
    return round(float(np.mean(np.concatenate(found) == labels)), 5)


def _augmentation(budget: Budget) -> Any:
    import keras

    fill: dict[str, Any] = {"fill_mode": "constant", "seed": SEED}
    layers: list[Any] = [keras.layers.RandomTranslation(budget.shift, budget.shift, **fill)]
    if budget.turn:
        layers.append(keras.layers.RandomRotation(budget.turn, **fill))
    if budget.zoom:
        layers.append(keras.layers.RandomZoom(budget.zoom, **fill))
    if budget.flip:
        layers.append(keras.layers.RandomFlip("horizontal", seed=SEED))

    def change(images: Any) -> Any:
        for layer in layers:
            images = layer(images, training=True)
        return images

    return change
