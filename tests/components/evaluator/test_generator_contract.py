"""What the evaluator refuses to score, and the words it finds for it."""

import numpy as np
import pytest
import tensorflow as tf

from components.evaluator.contract import ContractError, Generator

SIZE = (28, 28, 1)
SEED = tf.TensorSpec([None], tf.int64, "seed")
LABELS = tf.TensorSpec([None], tf.int64, "label")


def noise(seed, size=SIZE):
    """uint8[B,*size] of uniform noise, each image from its own seed alone."""

    def one(value):
        drawn = tf.random.stateless_uniform(size, [value, 7], 0, 256, tf.int32)
        return tf.cast(drawn, tf.uint8)

    return tf.map_fn(one, seed, fn_output_signature=tf.uint8)


def look(folder):
    generator = Generator(folder)
    generator.probe(SIZE)
    return generator


def test_a_good_model_passes_and_says_whether_it_is_conditional(good, noisy):
    assert look(good).conditional is True
    generator = look(noisy)
    assert generator.conditional is False
    assert generator(np.arange(3), np.full(3, -1)).shape == (3, *SIZE)


FAULTY = {
    "no signature 'generate' (it has: serving)": ((noise,), {"name": "serving"}),
    "no input 'seed' (it has: label)": ((lambda label: noise(label), LABELS), {}),
    "unknown inputs: mood": (
        (lambda seed, mood: noise(seed), SEED, tf.TensorSpec([None], tf.int64, "mood")),
        {},
    ),
    "input 'seed' is int32": (
        (lambda seed: noise(tf.cast(seed, tf.int64)), tf.TensorSpec([None], tf.int32, "seed")),
        {},
    ),
    "output 'image' is float32; it must be uint8": (
        (lambda seed: tf.cast(noise(seed), tf.float32) * float("nan"),),
        {},
    ),
    "images are 32x32x1, the data's are 28x28x1": ((lambda seed: noise(seed, (32, 32, 1)),), {}),
    "the same image from seeds 0 to 7": ((lambda seed: noise(seed * 0),), {}),
    "answers 8 seeds with shape (4, 28, 28, 1)": ((lambda seed: noise(seed[::2]),), {}),
    "another image in another batch": (
        (lambda seed: noise(seed + tf.shape(seed, tf.int64)[0]),),
        {},
    ),
}


@pytest.mark.parametrize("words", FAULTY)
def test_every_breach_is_named(words, save):
    given, options = FAULTY[words]
    with pytest.raises(ContractError) as caught:
        look(save(*given, **options))
    assert words in str(caught.value)


def test_a_model_that_raises_is_named_with_its_seeds(save):
    def raising(seed):
        with tf.control_dependencies([tf.debugging.assert_less(seed, tf.constant(5, tf.int64))]):
            return noise(seed)

    generator = Generator(save(raising))
    with pytest.raises(ContractError, match="raises for seeds 4 to 6"):
        generator(np.arange(4, 7), np.full(3, -1))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ContractError, match="cannot be loaded"):
        Generator(str(tmp_path / "gone"))
