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
from serving.errors import ServingError, UnavailableError
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
    """Version 1 is stable when a test begins, and nothing is under trial."""
    if "canary" in release.to.labels():
        release.drop_canary("")
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
        # One at a time: beside others the slow one would slow stable too.
        (4, Rules(requests=100, share=0.25, threads=1), r"^p50 .* times stable's .*allowed 1.5"),
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


@pytest.fixture
def meanwhile(monkeypatch):
    """Let another command do something between the first and the counted requests of a check."""
    send = canary._send

    def first(command):
        def patched(*args):
            command()
            return send(*args)

        monkeypatch.setattr(canary, "_send", patched)

    return first


def test_figures_of_another_version_decide_nothing(stable, meanwhile):
    """The label canary is taken away and given to a good version: the slow one is not promoted."""

    def other():
        stable.drop_canary("")
        stable.set_canary(2, "")

    meanwhile(other)
    said = r"check of version 4 is broken off: .* moved 'canary' from version 4 to 2"
    with pytest.raises(ServingError, match=said):
        canary.check(stable, 4, Rules(requests=400, share=0.5))
    assert stable.to.labels()["stable"] == 1 and stable.to.labels()["canary"] == 2
    assert stable.to.history()[-1]["action"] == "canary"


@pytest.mark.parametrize(
    ("command", "label", "after"),
    [
        (lambda release: release.pin(1, ""), "canary", {"stable": 1, "pinned": 1}),
        (lambda release: release.promote(2, ""), "(stable|canary)", {"stable": 2, "previous": 1}),
        (lambda release: release.promote(3, ""), "stable", {"stable": 3, "previous": 1}),
    ],
    ids=["pin", "promote it", "promote another"],
)
def test_a_command_that_decides_meanwhile_wins(stable, meanwhile, command, label, after):
    meanwhile(lambda: command(stable))
    said = rf"check of version 2 is broken off: another command moved '{label}' from version "
    try:
        with pytest.raises(ServingError, match=said):
            canary.check(stable, 2, FEW)
        labels = stable.to.labels()
        assert {k: v for k, v in labels.items() if k in after} == after and "canary" not in labels
    finally:
        if "pinned" in stable.to.labels():
            stable.unpin("")


@pytest.mark.parametrize(("version", "good"), [(2, True), (5, False)])
def test_a_server_that_dies_costs_neither_verdict_nor_order(stable, monkeypatch, version, good):
    observe = canary.observe

    def dead():
        raise UnavailableError("UNAVAILABLE", "no model server answers")

    def last(*args):
        seen = observe(*args)
        monkeypatch.setattr(stable.server, "states", dead)
        return seen

    monkeypatch.setattr(canary, "observe", last)
    verdict = canary.check(stable, version, FEW)
    assert verdict.good == good
    assert verdict.undone == ("it was not promoted: no model server answers" if good else "")
    assert stable.to.labels()["stable"] == 1 and "canary" not in stable.to.labels()
    line = stable.to.history()[-1]
    assert (line["action"], line["version"], line["server"]) == ("drop canary", version, None)


def test_a_label_that_stays_is_told(stable, monkeypatch):
    monkeypatch.setattr(canary, "observe", lambda *_: (seen(10), seen(99), []))
    monkeypatch.setattr(Release, "drop_canary", refuse)
    verdict = canary.check(stable, 2, Rules())
    assert not verdict.good
    assert verdict.undone.startswith("; it is still labelled canary (busy): take that away with")
    monkeypatch.undo()
    stable.drop_canary("")


def refuse(*args, **kwargs):
    raise ServingError("busy")


def test_rules_that_decide_nothing_are_refused(stable):
    with pytest.raises(ServingError, match="leaves 5 requests"):
        canary.check(stable, 2, Rules(requests=50, share=0.1))
    for rule in ({"slower": float("nan")}, {"extra_errors": float("nan")}):
        with pytest.raises(ServingError, match="a rule needs a number"):
            canary.check(stable, 2, Rules(**rule))
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
