"""Sees from the metrics that an adversarial training has diverged or collapsed."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.gan_settings import GanTrain


class Watcher:
    """Remembers for how long things have been bad; begins anew when training is resumed."""

    def __init__(self, train: GanTrain) -> None:
        self._watch, self._loss = train.watch, train.loss
        self._alike, self._stuck_since = 0, 0

    def trouble(self, step: int, values: Mapping[str, float]) -> str:
        """Say what has gone wrong by `step`; empty while all is well."""
        return self._diverged(values) or self._collapsed(values) or self._stuck(step, values)

    def _diverged(self, values: Mapping[str, float]) -> str:
        bound = self._watch.loss_bound
        beyond = [n for n in ("loss_d", "loss_g") if bound and abs(values[n]) > bound]
        return f"{beyond[0]} is {values[beyond[0]]:.3g}, beyond {bound:g}" if beyond else ""

    def _collapsed(self, values: Mapping[str, float]) -> str:
        share, least = values["diversity"], self._watch.diversity
        self._alike = self._alike + 1 if share < least else 0
        if self._alike < self._watch.patience:
            return ""
        return f"samples collapsed: they vary {share:.1%} as much as real data, below {least:.1%}"

    def _stuck(self, step: int, values: Mapping[str, float]) -> str:
        right = min(values["accuracy_real"], values["accuracy_fake"])
        # A Wasserstein critic's output has no zero that would separate real from generated.
        if right < 0.9999 or self._loss == "wasserstein" or not self._watch.stuck_steps:
            self._stuck_since = step
        elif step - self._stuck_since >= self._watch.stuck_steps:
            return (
                f"the discriminator was right on every image for {step - self._stuck_since} steps"
            )
        return ""
