"""Sentences out of a captioner, inside the graph: beam search, greedy as its narrowest, sampling.

Padding, start and unknown are given probability zero when a token is chosen; the log probability
that is returned is the network's own, with those tokens in its normalisation, so that it equals
minus the loss of the sentence. The last place of a sentence can only be its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.caption_network import Captioner, Memory, State
from trainer.preprocessing import END, PAD, START, UNKNOWN

_NEVER = float("-inf")


class Sentences(NamedTuple):
    """Finished sentences.

    Attributes:
      tokens: int32[B,N,T]: words, the end token, padding; no start token.
      log_prob: float32[B,N] nats, of all words and the end.
    """

    tokens: tf.Tensor
    log_prob: tf.Tensor


class _Lanes(NamedTuple):
    """The sentences under way, R side by side per image."""

    position: tf.Tensor
    last: tf.Tensor
    tokens: tf.Tensor
    log_prob: tf.Tensor
    ended: tf.Tensor
    state: State


def beam(
    captioner: Captioner, memory: Memory, width: int, length_penalty: float = 0.0
) -> Sentences:
    """Search for the `width` best sentences of each image, best first.

    The greedy sentence is followed beside the beam and takes part in the final choice, because
    beam search alone may lose it: no sentence less probable than it ever comes first. Those at
    least as probable are ranked by log probability / tokens^length_penalty (Wu et al. 2016, in
    its plain form). Width 1 is greedy search.

    Args:
      captioner: The network.
      memory: Of B images.
      width: N, at most the number of words.
      length_penalty: 0 ranks by log probability alone.
    """
    lanes = 1 if width == 1 else width + 1
    first = _first(captioner, memory, lanes)
    # All lanes would say the same at first: only the greedy and one more are alive.
    alone = tf.constant([0.0, 0.0] + [_NEVER] * (lanes - 2))[:lanes]
    first = first._replace(log_prob=first.log_prob + alone)

    def advance(lanes_now: _Lanes) -> _Lanes:
        scores, state = _next_scores(captioner, memory, lanes_now)
        totals = lanes_now.log_prob[:, :, None] + scores
        parents, words, log_prob = _best(totals, width)
        parent = lambda x: tf.gather(x, parents, batch_dims=1)  # noqa: E731
        moved = lanes_now._replace(
            tokens=parent(lanes_now.tokens),
            ended=parent(lanes_now.ended),
            log_prob=log_prob,
            state=tf.nest.map_structure(parent, state),
        )
        return _append(moved, words)

    return _choose(_run(first, advance), width, length_penalty)


def sample(
    captioner: Captioner,
    memory: Memory,
    seed: tf.Tensor,
    temperature: tf.Tensor,
    top_p: tf.Tensor,
) -> Sentences:
    """Draw one sentence per image.

    Each word is drawn from the smallest set of words whose probability reaches `top_p` (Holtzman
    et al. 2020), after division of the logits by `temperature`. A seed's draws depend on that seed
    alone, never on the batch around it.

    Args:
      captioner: The network.
      memory: Of B images.
      seed: int64[B].
      temperature: float32[B], above 0.
      top_p: float32[B], in (0, 1].

    Returns:
      N is 1; the log probability is that at temperature 1 with all words.
    """
    draw = lambda one: tf.random.stateless_uniform([captioner.length], tf.stack([one, one]))  # noqa: E731
    spec = tf.TensorSpec([captioner.length], tf.float32)
    chances = tf.map_fn(draw, seed, fn_output_signature=spec)

    def advance(lanes: _Lanes) -> _Lanes:
        scores, state = _next_scores(captioner, memory, lanes)
        chance = tf.gather(chances, lanes.position, axis=1)
        words = _draw(scores[:, 0] / temperature[:, None], chance, top_p)[:, None]
        gained = tf.gather(scores, words, axis=2, batch_dims=2)
        return _append(lanes._replace(log_prob=lanes.log_prob + gained, state=state), words)

    done = _run(_first(captioner, memory, 1), advance)
    return Sentences(done.tokens, done.log_prob)


def _first(captioner: Captioner, memory: Memory, lanes: int) -> _Lanes:
    shape = [tf.shape(tf.nest.flatten(memory)[0])[0], lanes]
    return _Lanes(
        tf.constant(0),
        tf.fill(shape, START),
        tf.fill([*shape, captioner.length], PAD),
        tf.zeros(shape),
        tf.zeros(shape, tf.bool),
        captioner.begin(memory, lanes),
    )


def _run(first: _Lanes, advance: object) -> _Lanes:
    """Advance until every sentence has ended."""
    going = lambda *lanes: ~tf.reduce_all(_Lanes(*lanes).ended)  # noqa: E731
    body = lambda *lanes: tuple(advance(_Lanes(*lanes)))  # type: ignore[operator] # noqa: E731
    length = first.tokens.shape[2]
    return _Lanes(*tf.while_loop(going, body, tuple(first), maximum_iterations=length))


def _next_scores(captioner: Captioner, memory: Memory, lanes: _Lanes) -> tuple[tf.Tensor, State]:
    """Log probabilities of the next token, float32[B,R,V], -inf for what must not be said."""
    logits, state = captioner.step(memory, lanes.state, lanes.last, lanes.position)
    never = np.zeros(captioner.words, np.float32)
    never[[PAD, START, UNKNOWN]] = _NEVER
    only_end, only_pad = (np.full(captioner.words, _NEVER, np.float32) for _ in range(2))
    only_end[END] = only_pad[PAD] = 0.0
    is_last = tf.equal(lanes.position, captioner.length - 1)
    scores = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    scores += tf.where(is_last, only_end, never)
    # An ended sentence goes on with padding that costs nothing.
    return tf.where(lanes.ended[:, :, None], only_pad, scores), state


def _best(totals: tf.Tensor, width: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Choose the next token of the greedy lane 0 and of the beam in lanes 1 to `width`.

    Args:
      totals: float32[B,R,V], log probability of every continuation.
      width: Of the beam; 1: there is only the greedy lane.

    Returns:
      int32[B,R] parent lanes, int32[B,R] tokens and float32[B,R] log probabilities.
    """
    words = totals.shape[2]
    log_prob, token = tf.math.top_k(totals[:, 0], 1)
    if width == 1:
        return tf.zeros_like(token), token, log_prob
    flat = tf.reshape(totals[:, 1:], [-1, width * words])
    beam_log_prob, place = tf.math.top_k(flat, width)
    return (
        tf.concat([tf.zeros_like(token), place // words + 1], 1),
        tf.concat([token, place % words], 1),
        tf.concat([log_prob, beam_log_prob], 1),
    )


def _append(lanes: _Lanes, words: tf.Tensor) -> _Lanes:
    here = tf.equal(tf.range(lanes.tokens.shape[2]), lanes.position)
    return lanes._replace(
        position=lanes.position + 1,
        last=words,
        tokens=tf.where(here, words[:, :, None], lanes.tokens),
        ended=lanes.ended | tf.equal(words, END),
    )


def _choose(done: _Lanes, width: int, length_penalty: float) -> Sentences:
    """Rank what was found and the greedy sentence; see `beam`."""
    if width == 1:
        return Sentences(done.tokens, done.log_prob)
    lengths = tf.cast(tf.math.count_nonzero(done.tokens, axis=2), tf.float32)
    scores = done.log_prob / lengths**length_penalty
    # Sentences below the greedy one keep their order behind it. Scores are at most 0.
    behind = done.log_prob < done.log_prob[:, :1]
    scores = tf.where(behind, scores - 1e4, scores)
    # The greedy sentence, if the beam found it as well, counts once.
    same = tf.reduce_all(tf.equal(done.tokens, done.tokens[:, :1]), axis=2)
    twice = tf.reduce_any(same[:, 1:], axis=1, keepdims=True)
    scores = tf.concat([tf.where(twice, _NEVER, scores[:, :1]), scores[:, 1:]], axis=1)
    best = tf.math.top_k(scores, width).indices
    return Sentences(*(tf.gather(x, best, batch_dims=1) for x in (done.tokens, done.log_prob)))


def _draw(logits: tf.Tensor, chance: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """Draw one token per row by inverting the sorted distribution: int32[B].

    Args:
      logits: float32[B,V], -inf for what must not be drawn.
      chance: float32[B], uniform in [0, 1).
      top_p: float32[B].
    """
    ordered, tokens = tf.math.top_k(logits, logits.shape[1])
    share = tf.nn.softmax(ordered)
    before = tf.cumsum(share, axis=1, exclusive=True)
    share = tf.where(before < top_p[:, None], share, 0.0)
    reached = tf.cumsum(share, axis=1)
    target = chance[:, None] * reached[:, -1:]
    # Tokens of zero share cannot be reached, not even when rounding lifts the target.
    place = tf.reduce_sum(tf.cast(reached <= target, tf.int32), axis=1)
    kept = tf.math.count_nonzero(share, axis=1, dtype=tf.int32)
    return tf.gather(tokens, tf.minimum(place, kept - 1), batch_dims=1)
