"""The SavedModel: explicit signatures, warm-up requests, model card and recipe beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import keras
import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from trainer.gan_settings import GanConfig
from trainer.input import to_uint8

EXTRA = "assets.extra"
WARMUP = "tf_serving_warmup_requests"
WARMUP_BATCHES = (1, 8)


AT_ONCE = 256
"""Items of one pass through the network; more are made in several."""


def in_double_precision(network: keras.Model) -> keras.Model:
    """Return a copy of a network that computes in float64 with the same weights.

    Args:
      network: A functional model of layers that can be made again from their configuration.
    """
    text = network.to_json()
    for kind in ("float32", "mixed_float16", "mixed_bfloat16"):
        text = text.replace(f'"{kind}"', '"float64"')
    copy = keras.models.model_from_json(text)
    copy.set_weights(network.get_weights())
    return copy


class Servable(Protocol):
    """What can be written: a `tf.Module` that knows its signatures."""

    def signatures(self) -> dict[str, Any]:
        """Return the functions to serve, `tf.function`s with their input signature, by name."""


class GeneratorModule(tf.Module):
    """A generator as it is served: seeds (and labels) in, pictures out.

    It computes in double precision, because an image must not depend on the batch around it, nor on
    the machine: kernels choose their order of summation by batch size and processor. In float32
    that moves a pixel in about one of a thousand images; in float64 the sums differ by some 1e-15
    of a grey level's 4e-3, which rounding to uint8 removes. On a CPU these networks are no slower
    for it, and a whole batch at once is three times as fast as image by image.
    """

    dtype = tf.uint8
    """Of what it makes."""

    answers = "image: uint8[B,H,W,C]; `generate_png` -> png: string[B]"
    """Outputs of its signatures, for the card."""

    def __init__(
        self, network: keras.Model, noise: Callable[[tf.Tensor], tf.Tensor], classes: int
    ) -> None:
        super().__init__(name="generator")
        self.network, self.classes = in_double_precision(network), classes
        self._noise = noise

    @property
    def items(self) -> str:
        """What it learned from and makes, for the card."""
        return f"images of shape {tuple(self.network.output_shape[1:])}"

    def _items(self, seed: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """Make all items asked for, at most `AT_ONCE` at a time so that memory stays bounded."""
        count = tf.shape(seed)[0]
        size = tf.minimum(count, AT_ONCE)
        rounds = tf.maximum(1, (count + AT_ONCE - 1) // AT_ONCE)  # one also for an empty batch
        filling = rounds * size - count
        rows = tf.concat([tf.range(count), tf.zeros([filling], tf.int32)], 0)

        def some(rows: tf.Tensor) -> tf.Tensor:
            noise = tf.cast(self._noise(tf.gather(seed, rows)), tf.float64)
            labels = tf.cast(tf.gather(label, rows), tf.int32)
            return self._finish(self.network([noise, labels], training=False))

        shape = self.network.output_shape[1:]
        spec = tf.TensorSpec([None, *shape], self.dtype)
        made = tf.map_fn(some, tf.reshape(rows, [rounds, size]), fn_output_signature=spec)
        return tf.reshape(made, [-1, *shape])[:count]

    def _finish(self, outputs: tf.Tensor) -> tf.Tensor:
        """Turn the network's output, float64[B,H,W,C] in [-1, 1], into uint8[B,H,W,C]."""
        return to_uint8(outputs)

    def _answer(self, seed: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """Make the images asked for; a conditional model checks the labels first."""
        if label is None:
            return self._items(seed, tf.zeros_like(seed))
        count, labels = tf.shape(seed)[0], tf.shape(label)[0]
        same = tf.debugging.Assert(
            tf.equal(count, labels), ["seed and label must have the same length:", count, labels]
        )
        inside = (label >= 0) & (label < self.classes)
        known = tf.debugging.Assert(
            tf.reduce_all(inside),
            [f"label must be in [0, {self.classes - 1}]; wrong at:", tf.where(~inside)[:, 0]],
        )
        with tf.control_dependencies([op for op in (same, known) if op is not None]):
            return self._items(seed, label)

    @property
    def inputs(self) -> list[tf.TensorSpec]:
        """What every signature takes: seed int64[B] and, of a conditional one, label int64[B]."""
        names = ["seed", "label"] if self.classes else ["seed"]
        return [tf.TensorSpec([None], tf.int64, name=name) for name in names]

    def signatures(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Return `serving_default`, `generate` and `generate_png` as concrete functions."""
        given = self.inputs
        generate = tf.function(lambda *a: {"image": self._answer(*a)}, input_signature=given)
        png = tf.function(lambda *a: {"png": _encode(self._answer(*a))}, input_signature=given)
        return {"serving_default": generate, "generate": generate, "generate_png": png}


def _encode(images: tf.Tensor) -> tf.Tensor:
    return tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)


def save(module: GeneratorModule, folder: str, config: GanConfig, card: str) -> None:
    """Write a generator with its warm-up requests; see `write`."""
    requests = _warmup_requests(module.signatures(), bool(module.classes))
    write(module, folder, config.recipe, card, requests)


def write(
    module: Servable,
    folder: str,
    recipe: str,
    card: str,
    requests: Iterable[predict_pb2.PredictRequest],
) -> None:
    """Write the SavedModel with everything that travels with it.

    Args:
      module: What to serve.
      folder: New folder for the SavedModel.
      recipe: Recipe of the training, stored in `assets.extra/recipe.yaml`.
      card: The model card, Markdown.
      requests: Warm-up requests.
    """
    signatures = {k: f.get_concrete_function() for k, f in module.signatures().items()}
    tf.saved_model.save(_without_layers(module, signatures), folder, signatures=signatures)
    extra = Path(folder) / EXTRA
    extra.mkdir()
    (extra / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (extra / "model_card.md").write_text(card, encoding="utf-8")
    with tf.io.TFRecordWriter(str(extra / WARMUP)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _without_layers(module: Servable, signatures: Mapping[str, ConcreteFunction]) -> tf.Module:
    """Return what to save in a module's place: the variables and the tables its functions read.

    A layer's variable would be saved as a copy that no function reads. `tf.saved_model.load` finds
    its way back from there, TensorFlow Serving does not, and answers every request with "Could not
    find variable".
    """
    read = {id(v): v for function in signatures.values() for v in function.graph.variables}
    kept = tf.Module()
    kept.weights = list(read.values())
    parts = tf.train.TrackableView(module).descendants()
    kept.tables = [p for p in parts if isinstance(p, tf.saved_model.experimental.TrackableResource)]
    return kept


def card(
    config: GanConfig, module: GeneratorModule, step: int, examples: int, seconds: float
) -> str:
    """Write the model card: what it is, what it learned from, how to ask it.

    Args:
      config: The training's settings.
      module: What is exported.
      step: Step whose weights are exported.
      examples: Training examples.
      seconds: Training time.
    """
    data, train = config.data, config.train
    classes = f", classes {', '.join(data.label_names)}" if data.classes else ""
    inputs = "seed: int64[B]" + (", label: int64[B]" if module.classes else "")
    return f"""# {config.model.family} on {data.dataset}

- Data: {examples:,} training {module.items}{classes}
- Training: step {step:,} of {train.steps:,}, batches of {train.batch_size}, {seconds:.0f} s in all
- Loss: {train.loss}
- Signatures: `generate` ({inputs}) -> {module.answers}
- The same seed gives the same answer on this model, whatever the batch around it.
- Scores and verdict are in the evaluation report of the run that made it; recipe: recipe.yaml.
- Not for: standing in for real data where a person's identity or a decision depends on it.
"""


def _warmup_requests(
    signatures: Iterable[str], conditional: bool
) -> list[predict_pb2.PredictRequest]:
    """Build one request per signature and batch size: TF Serving replays them before it answers."""
    requests = []
    for signature in signatures:
        for batch in WARMUP_BATCHES:
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name=signature)
            )
            zeros = tf.make_tensor_proto([0] * batch, tf.int64)
            request.inputs["seed"].CopyFrom(zeros)
            if conditional:
                request.inputs["label"].CopyFrom(zeros)
            requests.append(request)
    return requests
