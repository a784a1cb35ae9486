"""Captioning measured against the loop of the literature, on the same sizes in one run.

    python tests/bench/bench_captions.py train    # tokens per second
    python tests/bench/bench_captions.py decode   # images per second

`train` compares a step of ours with a plain word-by-word step (`literature_captioner`), eager and
as one `tf.function` around the Python loop, from the same cached features. `decode` compares the
SavedModel with a Python loop that calls the same network's decoder word by word. Each figure is the
best of a few rounds that take turns. Exit code 1: a ratio is below its bound.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import literature_captioner
import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from trainer import caption_export, caption_losses, export, models  # noqa: E402
from trainer.caption_export import CaptionerModule  # noqa: E402
from trainer.caption_settings import (  # noqa: E402
    CaptionConfig,
    CaptionData,
    CaptionModel,
    CaptionTrain,
)

EAGER, COMPILED, DECODING = 5.0, 1.5, 10.0
"""The least that ours must be faster."""


def settings(family: str, length: int, **model: object) -> CaptionConfig:
    return CaptionConfig(
        data=CaptionData(dataset="bench", length=length),
        model=CaptionModel.model_validate({"family": family, **model}),
        train=CaptionTrain(steps=1, dropout=0.0),
        checkpoint_root="unused",
    )


def fastest(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the best round of each; the rounds take turns, after one that is not counted."""
    best = dict.fromkeys(work, float("inf"))
    for number in range(rounds + 1):
        for name, call in work.items():
            began = time.perf_counter()
            call()
            if number:
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def train(batch: int, words: int, width: int, units: int, length: int) -> list[tuple[str, bool]]:
    """Compare training steps; the encoder is left out, as its features are cached in both."""
    config = settings(
        "attention_gru", length, width=width, units=units, encoder_channels=(8, 8, 8, 256)
    )
    captioner = models.family("attention_gru").build(config, words)
    variables = [v for v in captioner.trainable_variables if "encoder" not in v.path]
    variables = [v for v in variables if not v.path.startswith(("conv", "batch"))]
    optimizer = keras.optimizers.Adam()
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(size=(batch, 8, 8, 256)), tf.float32)
    tokens = rng.integers(4, words, (batch, length)).astype(np.int32)
    tokens[:, 0] = 1
    rows = tf.constant(tokens)

    @tf.function
    def ours() -> tf.Tensor:
        read, targets = caption_losses.split(rows[:, None])
        with tf.GradientTape() as tape:
            logits, _ = captioner.teach(captioner.remember_features(features), read)
            loss = tf.reduce_sum(caption_losses.token_losses(logits, targets)) / batch
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    flat = tf.reshape(features, [batch, 64, 256])
    eager = literature_captioner.trainer(width, units, words)
    compiled = tf.function(literature_captioner.trainer(width, units, words))
    seconds = fastest(
        {
            "word by word, eager": lambda: eager(flat, rows),
            "word by word, one tf.function": lambda: compiled(flat, rows),
            "ours": ours,
        },
        rounds=4,
    )
    mine = seconds["ours"]
    print(f"training, batch {batch}, {length} tokens, {words} words, {units} units")
    for name, value in seconds.items():
        rate = batch * (length - 1) / value
        print(f"  {name:32}{rate:12,.0f} tokens/s{value / mine:8.1f}x")
    return [
        ("ours over eager", seconds["word by word, eager"] / mine >= EAGER),
        ("ours over compiled", seconds["word by word, one tf.function"] / mine >= COMPILED),
    ]


def decode(family: str, words: int, rounds: int = 3) -> list[tuple[str, bool]]:
    """Compare decoding; the Python loop gets decoded pixels for nothing."""
    config = settings(family, 18, beam_width=5)
    keras.utils.set_random_seed(0)
    captioner = models.family(family).build(config, 4 + words)
    # No sentence ends early: the untrained network would decide how much work there is.
    captioner.score.bias.assign(tf.tensor_scatter_nd_update(captioner.score.bias, [[2]], [-20.0]))
    folder = tempfile.mkdtemp()
    module = CaptionerModule(captioner, [f"w{n}" for n in range(words)], config.model)
    export.write(module, f"{folder}/1", "", "", caption_export.warmup_requests(64))
    signatures = tf.saved_model.load(f"{folder}/1").signatures
    shutil.rmtree(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    files = tf.constant([tf.io.encode_png(image).numpy() for image in pixels])
    loops: dict[str, Callable[[tf.Tensor], object]] = {
        "caption_greedy": lambda image: literature_captioner.greedy(captioner, image),
        "caption": lambda image: literature_captioner.beam(captioner, image, 5),
    }
    verdicts = []
    for name, loop in loops.items():
        for batch in (1, 16):
            seconds = fastest(
                {
                    "loop": lambda loop=loop: loop(tf.constant(pixels[:1])),
                    "ours": lambda name=name, batch=batch: signatures[name](
                        image_bytes=files[:batch]
                    ),
                },
                rounds,
            )
            mine, theirs = batch / seconds["ours"], 1 / seconds["loop"]
            what = f"{family}, {'greedy' if name == 'caption_greedy' else 'beam 5'}, batch {batch}"
            print(
                f"  {what:36}{mine:8.1f} images/s, Python loop {theirs:6.2f}, {mine / theirs:6.1f}x"
            )
            verdicts.append((what, mine / theirs >= DECODING))
    return verdicts


def main() -> None:
    """Run what is asked for; say which bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "decode"])
    if parser.parse_args().what == "train":
        verdicts = train(batch=16, words=2000, width=256, units=256, length=20)
    else:
        print("decoding, 17 tokens per sentence, 64x64 images")
        verdicts = decode("attention_gru", 200) + decode("transformer", 200)
    missed = [name for name, good in verdicts if not good]
    if missed:
        sys.exit(f"below the bound: {', '.join(missed)}")


if __name__ == "__main__":
    main()
