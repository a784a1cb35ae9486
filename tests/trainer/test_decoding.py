"""Search and sampling on a network whose every sentence can be listed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer import decoding
from trainer.preprocessing import END, PAD, START, UNKNOWN

WORDS, LENGTH, IMAGES = 7, 4, 40


class Table:
    """Logits by last token and position, another table for every image: a second-order world."""

    words, length, compute_dtype = WORDS, LENGTH, "float32"

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.table = rng.normal(0, 2, (IMAGES, LENGTH, WORDS, WORDS)).astype(np.float32)

    def begin(self, memory, lanes):
        return tf.fill([tf.shape(memory)[0], lanes], 0)

    def step(self, memory, state, tokens, position):
        # Reordering of lanes is seen through the state: it must be the number of tokens read.
        tf.debugging.assert_equal(state, position)
        rows = tf.gather(memory, position, axis=1)
        return tf.gather(rows, tokens, batch_dims=1), state + 1


@pytest.fixture(scope="module")
def world():
    table = Table()
    return table, tf.constant(table.table)


def log_probs(table: np.ndarray) -> np.ndarray:
    return tf.nn.log_softmax(table).numpy()


def every_sentence(scores: np.ndarray) -> dict[tuple[int, ...], float]:
    """All sentences of one image with their log probabilities, float[LENGTH, WORDS, WORDS]."""
    found = {}
    say = [w for w in range(WORDS) if w not in (PAD, START, UNKNOWN, END)]
    for count in range(LENGTH):
        for words in itertools.product(say, repeat=count):
            path = (START, *words, END)
            found[(*words, END)] = sum(
                float(scores[t, a, b]) for t, (a, b) in enumerate(itertools.pairwise(path))
            )
    return found


def sentence(tokens: np.ndarray) -> tuple[int, ...]:
    return tuple(int(t) for t in tokens if t != PAD)


def test_a_beam_as_wide_as_the_world_finds_the_best_sentences_in_order(world) -> None:
    table, memory = world
    found = decoding.beam(table, memory, 40)
    for image in range(IMAGES):
        truth = sorted(every_sentence(log_probs(table.table[image])).items(), key=lambda x: -x[1])
        kept = np.isfinite(found.log_prob[image].numpy())
        assert kept.sum() == len(truth)
        got = [sentence(row) for row in found.tokens[image].numpy()[kept]]
        np.testing.assert_allclose(
            found.log_prob[image].numpy()[kept], [v for _, v in truth], rtol=1e-4
        )
        assert got[0] == truth[0][0] and sorted(got) == sorted(k for k, _ in truth)


def test_width_one_takes_the_most_probable_word_each_time(world) -> None:
    table, memory = world
    found = decoding.beam(table, memory, 1)
    assert found.tokens.shape == (IMAGES, 1, LENGTH)
    for image in range(IMAGES):
        scores, last, path, total = log_probs(table.table[image]), START, [], 0.0
        for position in range(LENGTH):
            row = scores[position, last].copy()
            row[[PAD, START, UNKNOWN]] = -np.inf
            if position == LENGTH - 1:
                row[[w for w in range(WORDS) if w != END]] = -np.inf
            last = int(row.argmax())
            path.append(last)
            total += float(row[last])
            if last == END:
                break
        assert sentence(found.tokens[image, 0].numpy()) == tuple(path)
        assert float(found.log_prob[image, 0]) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_no_beam_is_less_probable_than_greedy(world, width, penalty) -> None:
    table, memory = world
    greedy = decoding.beam(table, memory, 1).log_prob[:, 0].numpy()
    found = decoding.beam(table, memory, width, penalty)
    assert (found.log_prob[:, 0].numpy() >= greedy - 1e-5).all()
    rows = [[sentence(row) for row in image] for image in found.tokens.numpy()]
    assert all(len(set(image)) == width for image in rows)


def test_the_length_penalty_prefers_longer_sentences(world) -> None:
    table, memory = world
    lengths = [
        np.count_nonzero(decoding.beam(table, memory, 5, p).tokens[:, 0], axis=1).mean()
        for p in (0.0, 2.0)
    ]
    assert lengths[1] > lengths[0]


def test_only_words_and_one_end_are_said(world) -> None:
    table, memory = world
    seeds = tf.range(IMAGES, dtype=tf.int64)
    ones = tf.ones([IMAGES])
    for found in (
        decoding.beam(table, memory, 5),
        decoding.sample(table, memory, seeds, ones * 3, ones),
    ):
        for row in found.tokens.numpy().reshape(-1, LENGTH):
            end = list(row).index(END)
            assert not set(row[:end]) & {PAD, START, UNKNOWN, END}
            assert (row[end + 1 :] == PAD).all()


def test_samples_have_the_world_s_frequencies(world) -> None:
    table, _ = world
    count = 4000
    memory = tf.repeat(tf.constant(table.table[:1]), count, axis=0)
    seeds, ones = tf.range(count, dtype=tf.int64), tf.ones([count])
    draw = tf.function(decoding.sample)
    first = draw(table, memory, seeds, ones, ones).tokens[:, 0, 0].numpy()
    scores = log_probs(table.table[0])[0, START].astype(np.float64)
    scores[[PAD, START, UNKNOWN]] = -np.inf
    truth = np.exp(scores) / np.exp(scores).sum()
    seen = np.bincount(first, minlength=WORDS) / count
    np.testing.assert_allclose(seen, truth, atol=0.03)


def test_a_sample_depends_on_its_seed_and_not_on_its_batch(world) -> None:
    table, memory = world
    seeds, ones = tf.range(IMAGES, dtype=tf.int64), tf.ones([IMAGES])
    together = decoding.sample(table, memory, seeds, ones, ones)
    for image in (0, 7):
        part = slice(image, image + 1)
        alone = decoding.sample(table, memory[part], seeds[part], ones[part], ones[part])
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[image])
    other = decoding.sample(table, memory, seeds + 1000, ones, ones)
    assert not np.array_equal(other.tokens, together.tokens)


def test_cold_or_narrow_sampling_is_greedy(world) -> None:
    table, memory = world
    seeds, ones = tf.range(IMAGES, dtype=tf.int64), tf.ones([IMAGES])
    greedy = decoding.beam(table, memory, 1)
    for temperature, top_p in ((1e-4, 1.0), (1.0, 1e-6)):
        found = decoding.sample(table, memory, seeds, ones * temperature, ones * top_p)
        np.testing.assert_array_equal(found.tokens, greedy.tokens)
        np.testing.assert_allclose(found.log_prob, greedy.log_prob, rtol=1e-5)


def test_nothing_outside_top_p_is_drawn() -> None:
    logits = tf.math.log([[0.5, 0.3, 0.15, 0.05]])
    drawn = {
        int(decoding._draw(logits, tf.constant([chance]), tf.constant([0.75]))[0])
        for chance in np.linspace(0, 1, 101)[:-1].tolist()
    }
    assert drawn == {0, 1}


def test_the_loop_ends_when_all_have_ended() -> None:
    """Every sentence ends at once here, and a step after the second would fail."""

    class Short(Table):
        def step(self, memory, state, tokens, position):
            tf.debugging.assert_less(position, 1)
            return super().step(memory, state, tokens, position)

    short = Short()
    short.table[..., END] = 50.0
    found = decoding.beam(short, tf.constant(short.table), 1)
    assert (found.tokens[:, 0, 0].numpy() == END).all()
