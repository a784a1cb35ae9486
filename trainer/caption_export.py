"""A captioner as it is served: encoded photographs in, sentences out; search runs in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2

from trainer import caption_losses, decoding, photos
from trainer.caption_network import Captioner, Memory
from trainer.caption_settings import CaptionConfig, CaptionModel
from trainer.export import WARMUP_BATCHES
from trainer.preprocessing import END, PAD, SPECIAL, START, decode, encode, lookup

Outputs = dict[str, tf.Tensor]

_IMAGES = tf.TensorSpec([None], tf.string, name="image_bytes")


class CaptionerModule(tf.Module):
    """The signatures; see `signatures` for what they take and return."""

    def __init__(
        self, captioner: Captioner, vocabulary: Sequence[str], settings: CaptionModel
    ) -> None:
        super().__init__(name="captioner")
        self.captioner, self.settings = captioner, settings
        self.vocabulary = tf.constant(list(vocabulary), tf.string)
        self.table = lookup(vocabulary)

    def caption(self, image_bytes: tf.Tensor) -> Outputs:
        """Say the best sentence that the beam finds."""
        found = self._beam(self._memory(image_bytes))
        return self._outputs(found.tokens[:, 0], found.log_prob[:, 0])

    def greedy(self, image_bytes: tf.Tensor) -> Outputs:
        """Say the most probable word each time: faster, seldom better."""
        found = decoding.beam(self.captioner, self._memory(image_bytes), 1)
        return self._outputs(found.tokens[:, 0], found.log_prob[:, 0])

    def nbest(self, image_bytes: tf.Tensor) -> Outputs:
        """Say all that the beam finds, the best first: [B, beam_width]."""
        found = self._beam(self._memory(image_bytes))
        flat = tf.reshape(found.tokens, [-1, self.captioner.length])
        captions = tf.reshape(decode(flat, self.vocabulary), tf.shape(found.log_prob))
        return {
            "caption": tf.ensure_shape(captions, found.log_prob.shape),
            "log_prob": found.log_prob,
        }

    def sample(
        self, image_bytes: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor, top_p: tf.Tensor
    ) -> Outputs:
        """Draw a sentence per image."""
        checks = [
            *_same_length(image_bytes, seed=seed, temperature=temperature, top_p=top_p),
            *_inside("temperature must be above 0", temperature > 0),
            *_inside("top_p must be above 0 and at most 1", (top_p > 0) & (top_p <= 1)),
        ]
        with tf.control_dependencies(checks):
            memory = self._memory(image_bytes)
        found = decoding.sample(self.captioner, memory, seed, temperature, top_p)
        return self._outputs(found.tokens[:, 0], found.log_prob[:, 0])

    def attention(self, image_bytes: tf.Tensor) -> Outputs:
        """Say the words of `caption` one by one, and where the decoder looked for each."""
        return self._looks(self._memory(image_bytes))

    def describe(self, pixels: tf.Tensor) -> Outputs:
        """Say what `attention` says, of decoded images or of cached features."""
        return self._looks(self.captioner.remember(pixels))

    def score(self, image_bytes: tf.Tensor, caption: tf.Tensor) -> Outputs:
        """Judge given captions: nats of all words and the end, and how many tokens these are."""
        with tf.control_dependencies(_same_length(image_bytes, caption=caption)):
            memory = self._memory(image_bytes)
        rows = encode(caption, self.table.lookup, self.captioner.length + 1)
        read, targets = caption_losses.split(rows[:, None])
        logits, _ = self.captioner.teach(memory, read)
        losses = caption_losses.token_losses(logits, targets)
        return {
            "loss": tf.reduce_sum(losses, axis=[1, 2]),
            "tokens": tf.math.count_nonzero(targets, axis=[1, 2], dtype=tf.int32),
        }

    def signatures(self) -> dict[str, Callable[..., Outputs]]:
        """Return the signatures by name.

        Images are `image_bytes`: string[B], JPEG, PNG or GIF of any size (see `trainer.photos`).
        T is the most words and the end that a caption has, (h, w) the encoder's grid:

        - `caption` (`serving_default`), `caption_greedy`: -> caption: string[B],
          log_prob: float32[B]
        - `caption_nbest`: -> the same with shape [B, beam_width]
        - `caption_sample`: seed: int64[B], temperature: float32[B], top_p: float32[B] -> as caption
        - `attention`: -> words: string[B,T], "" after the last; attention: float32[B,T,h,w]
        - `score`: caption: string[B] -> loss: float32[B] nats, tokens: int32[B]
        """
        per_image = lambda kind, name: tf.TensorSpec([None], kind, name=name)  # noqa: E731
        seed = per_image(tf.int64, "seed")
        temperature, top_p = (per_image(tf.float32, name) for name in ("temperature", "top_p"))
        given = per_image(tf.string, "caption")
        caption = _function(self.caption, _IMAGES)
        return {
            "serving_default": caption,
            "caption": caption,
            "caption_greedy": _function(self.greedy, _IMAGES),
            "caption_nbest": _function(self.nbest, _IMAGES),
            "caption_sample": _function(self.sample, _IMAGES, seed, temperature, top_p),
            "attention": _function(self.attention, _IMAGES),
            "score": _function(self.score, _IMAGES, given),
        }

    def _memory(self, image_bytes: tf.Tensor) -> Memory:
        pixels = photos.read(image_bytes, self.settings.image_size)
        return self.captioner.remember(pixels)

    def _beam(self, memory: Memory) -> decoding.Sentences:
        settings = self.settings
        return decoding.beam(self.captioner, memory, settings.beam_width, settings.length_penalty)

    def _looks(self, memory: Memory) -> Outputs:
        tokens = self._beam(memory).tokens[:, :1]
        read = tf.concat([tf.fill(tf.shape(tokens[..., :1]), START), tokens[..., :-1]], axis=-1)
        _, attention = self.captioner.teach(memory, read)
        said = tf.not_equal(tokens, PAD) & tf.not_equal(tokens, END)
        every = tf.concat([tf.constant(SPECIAL), self.vocabulary], axis=0)
        maps = tf.where(said[..., None], attention, 0.0)
        shape = [-1, self.captioner.length, *self.captioner.grid]
        return {
            "words": tf.where(said, tf.gather(every, tokens), "")[:, 0],
            "attention": tf.reshape(maps, shape),
        }

    def _outputs(self, tokens: tf.Tensor, log_prob: tf.Tensor) -> Outputs:
        return {"caption": decode(tokens, self.vocabulary), "log_prob": log_prob}


def _function(method: Callable[..., Outputs], *signature: tf.TensorSpec) -> Callable[..., Outputs]:
    return tf.function(method, input_signature=signature)


def _same_length(image_bytes: tf.Tensor, **others: tf.Tensor) -> list[tf.Operation]:
    """Demand as many of everything as there are images."""
    count = tf.size(image_bytes)
    return [
        tf.debugging.Assert(
            tf.equal(tf.size(values), count),
            [f"image_bytes and {name} must have the same length:", count, tf.size(values)],
        )
        for name, values in others.items()
    ]


def _inside(rule: str, right: tf.Tensor) -> list[tf.Operation]:
    wrong = tf.where(~right)[:, 0]
    return [tf.debugging.Assert(tf.reduce_all(right), [f"{rule}; wrong at:", wrong])]


def card(config: CaptionConfig, words: int, examples: int, seconds: float) -> str:
    """Write the model card: what it is, what it learned from, how to ask it."""
    model, train = config.model, config.train
    return f"""# {model.family} on {config.data.dataset}

- Data: {examples:,} training images with several captions each; {words:,} words are known
- Images: fitted to {model.image_size}x{model.image_size} pixels, padded with black, never cut
- Encoder: {model.encoder}; captions of at most {config.data.length - 2} words
- Training: {train.steps:,} steps of {train.batch_size} images at most, in {seconds:.0f} s
- Search: beam of {model.beam_width}, length penalty {model.length_penalty:g}
- Signatures: `caption`, `caption_greedy`, `caption_nbest`, `caption_sample`, `attention` and
  `score`; all take image_bytes: string[B], JPEG, PNG or the first frame of a GIF
- Scores and verdict are in the evaluation report of the run that made it; recipe: recipe.yaml.
- Not for: decisions about people; a caption can be fluent and wrong.
"""


def warmup_requests(side: int) -> Iterator[predict_pb2.PredictRequest]:
    """Build one request per signature and batch size: TF Serving replays them before it answers."""
    png = tf.io.encode_png(np.full([side, side, 3], 127, np.uint8)).numpy()
    further: dict[str, dict[str, tuple[object, tf.DType]]] = {
        "caption_sample": {
            "seed": (1, tf.int64),
            "temperature": (1.0, tf.float32),
            "top_p": (0.9, tf.float32),
        },
        "score": {"caption": (b"a caption", tf.string)},
    }
    names = (
        "serving_default",
        "caption",
        "caption_greedy",
        "caption_nbest",
        "attention",
        *further,
    )
    for name in names:
        for batch in WARMUP_BATCHES:
            spec = model_pb2.ModelSpec(signature_name=name)
            request = predict_pb2.PredictRequest(model_spec=spec)
            inputs = {"image_bytes": (png, tf.string), **further.get(name, {})}
            for key, (value, kind) in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto([value] * batch, kind))
            yield request
