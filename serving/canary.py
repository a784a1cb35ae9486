"""Canary check: a share of requests goes to the new version; stated rules decide, with reasons."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from serving.client import Client
from serving.deployment import CANARY, STABLE
from serving.errors import RequestError, ServingError
from serving.options import Address
from serving.probe import example_inputs
from serving.release import Release

SIGNATURES = ("generate", "caption", "serving_default")
"""What is asked: the first of these that the model has."""

UNTIMED = 3
"""Requests to each version before the measured ones: buffers and connections are made in them."""

LEAST = 20
"""Requests to the canary below which no percentile means anything."""

GIVE_UP = 20
"""Failures of the canary after which no more requests are sent."""

RESAMPLES, CONFIDENCE = 1000, 95


@dataclass(frozen=True)
class Rules:
    """When a canary is promoted: it must keep every one of them.

    Attributes:
      requests: Requests in all.
      share: Part of them that goes to the canary.
      extra_errors: Error rate (0 to 1) that it may have above stable's.
      slower: Factor on stable's p50 and p95 latency that it may reach; it counts as exceeded when
        the lower end of the ratio's bootstrap confidence interval (one-sided, 95 %) is above.
      threads: Concurrent clients.
    """

    requests: int = 1000
    share: float = 0.1
    extra_errors: float = 0.0
    slower: float = 1.5
    threads: int = 4

    def check(self) -> None:
        """Raise ServingError for rules that could decide nothing."""
        if not 0 < self.share < 1:
            raise ServingError(f"--share {self.share:g}: it must be between 0 and 1")
        if not (math.isfinite(self.slower) and math.isfinite(self.extra_errors)):
            raise ServingError(
                f"--slower {self.slower:g} --extra-errors {self.extra_errors:g}: a rule needs a "
                "number that can be exceeded"
            )
        least = min(self.requests * self.share, self.requests * (1 - self.share))
        if least < LEAST:
            raise ServingError(
                f"--requests {self.requests} --share {self.share:g} leaves {least:.0f} requests "
                f"for one of the versions; a comparison needs {LEAST}"
            )


@dataclass
class Seen:
    """Requests to one version: latencies of those answered (ms), and what went wrong."""

    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Requests sent."""
        return len(self.latencies) + len(self.errors)

    def summary(self) -> dict[str, float | int]:
        """Return the figures of the history: requests, errors, p50 and p95 in ms."""
        told: dict[str, float | int] = {"requests": self.count, "errors": len(self.errors)}
        for q in (50, 95) if self.latencies else ():
            told[f"p{q}_ms"] = round(float(np.percentile(self.latencies, q)), 3)
        return told


@dataclass(frozen=True)
class Verdict:
    """The decision and one sentence per rule that was looked at (`broken` are the failed ones).

    `undone` says why the decision could not be carried out; empty if it was.
    """

    broken: list[str]
    kept: list[str]
    stable: Seen
    canary: Seen
    undone: str = ""

    @property
    def good(self) -> bool:
        """Whether every rule was kept."""
        return not self.broken

    def why(self) -> str:
        """Return the reasons in one line: the broken rules, or else the kept ones."""
        return "; ".join(self.broken or self.kept)


def check(
    release: Release, version: int, rules: Rules, promote: bool = True, why: str = ""
) -> Verdict:
    """Label `version` as canary, compare it with stable, then promote it or take the label away.

    Args:
      release: Of a destination, with a server.
      version: The candidate.
      rules: What decides.
      promote: Whether a good canary becomes stable at once; else it stays the canary.
      why: Why it is tried, for the history.

    Returns:
      The verdict, already carried out (unless `undone` says why not) and in the history.

    Raises:
      ServingError: The canary cannot be set, or nothing answers, or another command moved the
        labels meanwhile. The version is no canary afterwards.
    """
    rules.check()
    if release.server is None:
        raise ServingError("a canary check needs a running server: give --target HOST:PORT")
    release.set_canary(version, why)
    try:
        means = {STABLE: release.to.labels()[STABLE], CANARY: version}
        stable, canary, missing = observe(release.server.address, release.to.model, rules, means)
        _unmoved(release.to.labels(), means)
    except BaseException as error:
        told = " ".join(str(error).split()) or "interrupted"
        left = _take_away(release, version, f"check broken off: {told}")
        if isinstance(error, ServingError):
            raise ServingError(
                f"the check of version {version} is broken off: {told}{left}"
            ) from None
        raise
    verdict = judge(rules, stable, canary, missing)
    seen = {STABLE: stable.summary(), CANARY: canary.summary()}
    if not verdict.good:
        return replace(verdict, undone=_take_away(release, version, verdict.why(), observed=seen))
    if not promote:
        return verdict
    try:
        release.promote(version, f"canary check: {verdict.why()}", observed=seen)
    except ServingError as error:
        left = _take_away(release, version, f"good, not promoted: {error}", observed=seen)
        return replace(verdict, undone=f"it was not promoted: {error}{left}")
    return verdict


def _unmoved(labels: Mapping[str, int], means: Mapping[str, int]) -> None:
    """Raise ServingError if a label means another version than when the check began."""
    for label, version in means.items():
        if labels.get(label) != version:
            raise ServingError(
                f"another command moved '{label}' from version {version} to "
                f"{labels.get(label, 'none')}"
            )


def _take_away(release: Release, version: int, why: str, **facts: Any) -> str:
    """Take the label from `version`, if need be without asking the server: it may be dead.

    Returns what to do about a label that stays, or nothing.
    """
    problem = ""
    for way in (release, replace(release, server=None)):
        try:
            way.drop_canary(why, version, **facts)
        except ServingError as error:
            problem = problem or str(error)
        else:
            return ""
    if release.to.labels().get(CANARY) != version:
        return ""
    return f"; it is still labelled canary ({problem}): take that away with 'canary --off'"


def observe(
    target: str | Address, model: str, rules: Rules, means: Mapping[str, int]
) -> tuple[Seen, Seen, list[str]]:
    """Send the requests of a check.

    Args:
      target: The server.
      model: Its name there.
      rules: How many requests, and to whom.
      means: Versions that must answer to the labels stable and canary.

    Returns:
      What was seen of stable and of the canary, and what the canary's signatures lack; with
      anything lacking no request is sent.

    Raises:
      ServingError: Another version answered to a label.
    """
    with Client(target, model) as client:
        ours, theirs = client.metadata(STABLE), client.metadata(CANARY)
        missing = _lacking(ours, theirs)
        if missing:
            return Seen(), Seen(), missing
        name = next((n for n in SIGNATURES if n in ours), None)
        if name is None:
            raise ServingError(f"'{model}' has none of the signatures {', '.join(SIGNATURES)}")
        ask = _asker(client, name, ours[name], means)
        for _ in range(UNTIMED):
            for label in (STABLE, CANARY):
                ask(label, 0, Seen())
        seen = {STABLE: Seen(), CANARY: Seen()}
        _send(ask, _labels(rules), seen, rules.threads)
    return seen[STABLE], seen[CANARY], []


def judge(rules: Rules, stable: Seen, canary: Seen, missing: list[str]) -> Verdict:
    """Apply the rules to what was seen."""
    if missing:
        return Verdict(missing, [], stable, canary)
    if not stable.latencies:
        first = stable.errors[0] if stable.errors else "no request"
        return Verdict([f"stable answers nothing to compare with: {first}"], [], stable, canary)
    broken: list[str] = []
    kept: list[str] = []
    rates = [len(seen.errors) / max(1, seen.count) for seen in (canary, stable)]
    text = (
        f"{len(canary.errors)} of {canary.count} requests failed, stable's {len(stable.errors)} "
        f"of {stable.count}"
    )
    if rates[0] > rates[1] + rules.extra_errors:
        broken.append(f"{text}; allowed {rules.extra_errors:.1%} more; first: {canary.errors[0]}")
    else:
        kept.append(text)
    for q in (50, 95) if canary.latencies else ():
        slow, text = _slower(q, canary.latencies, stable.latencies, rules.slower)
        (broken if slow else kept).append(text)
    return Verdict(broken, kept, stable, canary)


def _slower(q: int, canary: list[float], stable: list[float], allowed: float) -> tuple[bool, str]:
    """Compare a percentile; the bootstrap keeps one slow request from deciding."""
    random = np.random.default_rng(0)

    def resampled(values: list[float]) -> np.ndarray:
        drawn = random.choice(np.array(values), (RESAMPLES, len(values)))
        return np.percentile(drawn, q, axis=1)

    ours, theirs = np.percentile(canary, q), np.percentile(stable, q)
    surely = float(np.percentile(resampled(canary) / resampled(stable), 100 - CONFIDENCE))
    text = (
        f"p{q} {ours:.1f} ms is {ours / theirs:.2f} times stable's {theirs:.1f} ms "
        f"(surely {surely:.2f}; allowed {allowed:g})"
    )
    return surely > allowed, text


def _lacking(stable: dict[str, Any], canary: dict[str, Any]) -> list[str]:
    lacking = []
    for name, definition in sorted(stable.items()):
        if name not in canary:
            lacking.append(f"it has no signature {name}")
            continue
        for kind in ("inputs", "outputs"):
            old, new = (
                {alias: info.dtype for alias, info in getattr(d, kind).items()}
                for d in (definition, canary[name])
            )
            if old != new:
                lacking.append(f"its signature {name} has other {kind} than stable's")
    return lacking


def _labels(rules: Rules) -> Iterator[tuple[int, str]]:
    """Number the requests; the canary's are spread evenly, so both versions see the same load."""
    for i in range(rules.requests):
        ours = int((i + 1) * rules.share) > int(i * rules.share)
        yield i, CANARY if ours else STABLE


def _asker(
    client: Client, signature: str, definition: Any, means: Mapping[str, int]
) -> Callable[[str, int, Seen], None]:
    def ask(label: str, number: int, seen: Seen) -> None:
        inputs = example_inputs(definition, 1)
        if "seed" in inputs:
            inputs["seed"] = inputs["seed"] + number
        start = time.perf_counter()
        try:
            answer = client.predict(signature, inputs, label)
        except (RequestError, ValueError) as error:
            seen.errors.append(" ".join(str(error).split()))
        else:
            seen.latencies.append(1000 * (time.perf_counter() - start))
            # Figures of another version must not decide about this one.
            _unmoved({label: answer.version}, {label: means[label]})

    return ask


def _send(
    ask: Callable[[str, int, Seen], None],
    labels: Iterator[tuple[int, str]],
    seen: dict[str, Seen],
    threads: int,
) -> None:
    lock, stopped = threading.Lock(), threading.Event()

    def work() -> None:
        while not stopped.is_set() and len(seen[CANARY].errors) < GIVE_UP:
            with lock:
                number, label = next(labels, (0, ""))
            if not label:
                return
            ask(label, number, seen[label])

    with ThreadPoolExecutor(threads) as pool:
        try:
            for worker in [pool.submit(work) for _ in range(threads)]:
                worker.result()
        finally:
            stopped.set()  # an interrupt must not wait for all requests
