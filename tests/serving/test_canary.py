"""Canary: good ones are promoted; failing, slow and different ones fall back with the reason."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
import tensorflow as tf

from serving import canary, config
from serving.admin import Admin
from serving.canary import Rules, Seen, judge
from serving.config_watch import ConfigWatch
from serving.deployment import Destination
from serving.errors import ServingError
from serving.model_server import ModelServer
from serving.release import Release

FEW = Rules(requests=200, share=0.25, slower=20.0)
I64 = tf.TensorSpec([None], tf.int64)


class Odd(tf.Module):
    """A generator that refuses every eighth seed, or takes long."""

    def __init__(self, slow: bool) -> None:
        self.slow = slow

    @tf.function(input_signature=[I64, I64])
    def generate(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        shade = tf.cast(label, tf.float32)[0]
        if self.slow:
            grid = tf.fill([300, 300], 1.0 / 300)
            for _ in tf.range(60):
                grid = tf.matmul(grid, grid)
            shade += grid[0, 0]
        else:
            tf.debugging.Assert(tf.reduce_all(seed % 8 != 3), ["not this seed"])
        return {"image": tf.fill([tf.size(seed), 8, 8, 1], tf.cast(shade, tf.uint8))}

    @tf.function(input_signature=[I64, I64])
    def generate_png(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"png": tf.fill([tf.size(seed)], "png")}


@pytest.fixture(scope="module")
def base(tmp_path_factory, generator_dir, kit_dir, push):
    """Versions: 1 and 2 good, 3 fails now and then, 4 slow, 5 another kind of model."""
    base = tmp_path_factory.mktemp("canary") / "digits"
    for version, folder in ((1, generator_dir), (2, generator_dir), (5, kit_dir)):
        push(folder, base, version)
    for version, slow in ((3, False), (4, True)):
        model = Odd(slow)
        signatures = dict.fromkeys(("serving_default", "generate"), model.generate)
        signatures["generate_png"] = model.generate_png
        tf.saved_model.save(model, str(base / str(version)), signatures)
    return base


@pytest.fixture(scope="module")
def release(base):
    to = Destination.of("digits", base)
    to.write({})
    with ModelServer(config.read(to.file), port=0, poll_s=0.05) as server:
        watch = ConfigWatch(server.core, to.file, 0.05)
        watch.start()
        with Admin(server.target, "digits", wait_s=20) as admin:
            yield Release(to, admin)
        watch.stop()


@pytest.fixture
def stable(release):
    """Version 1 is stable when a test begins."""
    release.promote(1, "")
    return release


def test_a_good_canary_is_promoted_with_its_figures_in_the_history(stable):
    verdict = canary.check(stable, 2, FEW)
    assert verdict.good and verdict.canary.count == 50 and verdict.stable.count == 150
    assert stable.to.labels()["stable"] == 2 and "canary" not in stable.to.labels()
    line = stable.to.history()[-1]
    assert line["action"] == "promote"
    assert line["why"].startswith("canary check: 0 of 50 requests failed, stable's 0 of 150; p50 ")
    assert line["observed"]["canary"]["requests"] == 50


def test_a_good_canary_may_wait_for_a_person(stable):
    assert canary.check(stable, 2, FEW, promote=False).good
    assert stable.to.labels()["canary"] == 2 and stable.to.labels()["stable"] == 1


@pytest.mark.parametrize(
    ("version", "rules", "reason"),
    [
        (
            3,
            FEW,
            r"^\d+ of \d+ requests failed, stable's 0 of \d+; allowed 0.0% more; first: .*seed",
        ),
        (4, Rules(requests=100, share=0.25, slower=1.5), r"^p50 .* times stable's .*allowed 1.5"),
        (5, FEW, "^it has no signature generate; it has no signature generate_png; "),
    ],
)
def test_a_bad_canary_falls_back_and_says_why(stable, version, rules, reason):
    verdict = canary.check(stable, version, rules)
    assert not verdict.good
    assert re.match(reason, verdict.why())
    assert stable.to.labels()["stable"] == 1 and "canary" not in stable.to.labels()
    line = stable.to.history()[-1]
    assert (line["action"], line["version"], line["why"]) == ("drop canary", version, verdict.why())
    end = time.monotonic() + 10
    while version in stable.server.available():
        assert time.monotonic() < end, "it stays loaded"


def test_a_check_broken_off_leaves_no_canary(stable, monkeypatch):
    def broken(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(canary, "observe", broken)
    with pytest.raises(KeyboardInterrupt):
        canary.check(stable, 2, FEW)
    assert "canary" not in stable.to.labels()
    assert stable.to.history()[-1]["why"] == "check broken off: interrupted"


def test_rules_that_decide_nothing_are_refused(stable):
    with pytest.raises(ServingError, match="leaves 5 requests"):
        canary.check(stable, 2, Rules(requests=50, share=0.1))
    with pytest.raises(ServingError, match="needs a running server"):
        canary.check(Release(stable.to, None), 2, FEW)
    assert "canary" not in stable.to.labels()


def seen(median: float, errors: int = 0, count: int = 200) -> Seen:
    random = np.random.default_rng(1)
    return Seen(list(random.gamma(20, median / 20, count)), ["refused"] * errors)


def test_latency_decides_by_what_is_sure_not_by_one_slow_request():
    rules = Rules(slower=1.5)
    assert not judge(rules, seen(10), seen(20), []).good
    assert judge(rules, seen(10), seen(14), []).good
    one = seen(10, count=40)
    one.latencies[0] = 500.0
    assert judge(rules, seen(10), one, []).good


def test_errors_decide_by_rate():
    assert not judge(Rules(), seen(10), seen(10, errors=1), []).good
    assert judge(Rules(extra_errors=0.01), seen(10), seen(10, errors=1), []).good
    assert judge(Rules(), seen(10, errors=2), seen(10, errors=1), []).good
    dead = judge(Rules(), Seen([], ["down"]), seen(10), [])
    assert dead.why() == "stable answers nothing to compare with: down"
    assert not judge(Rules(), seen(10), Seen([], ["down"] * 20), []).good
