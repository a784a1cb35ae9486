"""When a training is given up: run-away losses, samples all alike, a discriminator never wrong."""

from __future__ import annotations

import pytest

from trainer.gan_settings import GanTrain, Watch
from trainer.watch import Watcher

GOOD = {
    "loss_d": 1.3, "loss_g": 0.8, "accuracy_real": 0.7, "accuracy_fake": 0.7, "diversity": 0.9,
}  # fmt: skip


def watcher(loss: str = "hinge", penalty: float = 0.0, **watch: float) -> Watcher:
    watched = Watch.model_validate(watch)
    return Watcher(GanTrain(steps=1, loss=loss, gradient_penalty=penalty, watch=watched))


def test_all_is_well_with_ordinary_figures() -> None:
    seen = watcher(stuck_steps=10)
    assert not any(seen.trouble(step, GOOD) for step in range(0, 100, 5))


@pytest.mark.parametrize("name", ["loss_d", "loss_g"])
def test_a_loss_beyond_its_bound_is_divergence(name: str) -> None:
    assert f"{name} is -2e+04, beyond 10000" in watcher().trouble(5, {**GOOD, name: -2e4})
    assert not watcher(loss_bound=0).trouble(5, {**GOOD, name: -2e4})


def test_samples_all_alike_for_long_are_collapse() -> None:
    seen = watcher(patience=3)
    alike = {**GOOD, "diversity": 0.01}
    assert [seen.trouble(step, values) for step, values in
            enumerate((alike, alike, GOOD, alike, alike))] == [""] * 5  # fmt: skip
    assert "vary 1.0% as much as real data, below 2.0%" in seen.trouble(5, alike)


def test_a_discriminator_never_wrong_is_stuck_where_that_is_watched() -> None:
    perfect = {**GOOD, "accuracy_real": 1.0, "accuracy_fake": 1.0}
    seen = watcher(stuck_steps=100)
    assert [seen.trouble(step, perfect) for step in (0, 50, 99)] == [""] * 3
    assert "right on every image for 100 steps" in seen.trouble(100, perfect)
    assert not watcher().trouble(10**6, perfect)
    critic = watcher("wasserstein", 10.0, stuck_steps=1)
    assert not critic.trouble(10**6, perfect)
