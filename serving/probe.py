"""What a candidate model must answer: every signature, alone and in a batch, and bad requests."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from serving import wire
from serving.client import Client
from serving.errors import RequestError, ServingError

BATCHES = (1, 8)
MAX_REASONS = 20

Arrays = Mapping[str, np.ndarray]


@dataclass
class Findings:
    """What was asked and seen; `reasons` is empty for a model that keeps every promise."""

    reasons: list[str] = field(default_factory=list)
    latency_ms: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    signatures: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    requests: int = 0

    def fault(self, reason: str) -> None:
        """Note a broken promise."""
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(" ".join(reason.split()))


def examine(client: Client, requests: int, found: Findings) -> None:
    """Send real requests to a served model and note what is wrong with the answers.

    Args:
      client: Of a server that has a version available.
      requests: How many timed requests per signature and batch size.
      found: Filled as far as the examination comes, also when it is interrupted.

    Raises:
      RequestError: Only if the server stops answering at all.
    """
    definitions = {k: v for k, v in client.metadata().items() if not k.startswith("__")}
    if not definitions:
        found.fault("the model has no signature")
    for name, definition in sorted(definitions.items()):
        found.signatures[name] = _described(definition)
        try:
            _signature(client, name, definition, requests, found)
        except RequestError as error:
            found.fault(f"signature {name}: {error.code}: {error}")
        except ValueError as error:
            found.fault(f"signature {name}: {error}")
    _refusals(client, definitions, found)


def _signature(client: Client, name: str, definition: Any, requests: int, found: Findings) -> None:
    answers = {}
    for batch in BATCHES:
        inputs = example_inputs(definition, batch)
        client.predict(name, inputs)  # the first run of a shape prepares buffers: not timed
        times = []
        for _ in range(requests):
            start = time.perf_counter()
            answers[batch] = client.predict(name, inputs).outputs
            times.append(1000 * (time.perf_counter() - start))
        found.requests += requests + 1
        p50, p95 = np.percentile(times, [50, 95])
        found.latency_ms.setdefault(name, {})[str(batch)] = {
            "p50": round(float(p50), 3),
            "p95": round(float(p95), 3),
        }
        for problem in wrong_answers(definition, answers[batch], batch):
            found.fault(f"signature {name}, batch {batch}: {problem}")
    if "seed" in definition.inputs and _OF_SEED & set(definition.outputs):
        _reproducible(client, name, definition, answers[BATCHES[-1]], found)


def _reproducible(
    client: Client, name: str, definition: Any, batched: Arrays, found: Findings
) -> None:
    """The same seed (and label) must give the same bytes whatever the batch around it."""
    batch = BATCHES[-1]
    inputs = example_inputs(definition, batch)
    position = batch // 2
    alone = client.predict(name, {k: v[position : position + 1] for k, v in inputs.items()})
    found.requests += 1
    for alias in sorted(_OF_SEED & set(definition.outputs)):
        if not np.array_equal(alone.outputs[alias][0], batched[alias][position]):
            found.fault(
                f"signature {name}: output {alias} of the same seed differs "
                f"alone and inside a batch of {batch}"
            )


def _refusals(client: Client, definitions: Mapping[str, Any], found: Findings) -> None:
    """Bad requests must get the contract's code, and the next good one its answer."""
    asked = partial(client.predict, "no-such-signature", {})
    _expect(found, "an unknown signature", "FAILED_PRECONDITION", asked)
    for name, definition in sorted(definitions.items()):
        inputs = example_inputs(definition, 1)
        if inputs and not definition.defaults:
            asked = partial(client.predict, name, {})
            _expect(found, f"{name} without inputs", "INVALID_ARGUMENT", asked)
        if "image_bytes" in inputs:
            broken = dict(inputs, image_bytes=np.array([b"no image"], np.object_))
            asked = partial(client.predict, name, broken)
            _expect(found, f"{name} on bytes that are no image", "INVALID_ARGUMENT", asked)
    found.requests += 1
    client.metadata()


def _expect(found: Findings, what: str, code: str, ask: Callable[[], Any]) -> None:
    found.requests += 1
    try:
        ask()
    except RequestError as error:
        if error.code != code:
            found.fault(f"{what}: answered {error.code}, not {code}: {error}")
    else:
        found.fault(f"{what}: was answered, not refused with {code}")


def example_inputs(definition: Any, batch: int) -> dict[str, np.ndarray]:
    """Make plausible inputs for a signature: seeds count up, labels are 0 and 1, images are PNG.

    Raises:
      ServingError: For an input of a dtype that has no example.
    """
    inputs = {}
    for alias, info in definition.inputs.items():
        sizes = [max(1, dim.size) for dim in info.tensor_shape.dim]
        shape = [batch, *sizes[1:]] if sizes else []
        kind = wire.dtype_name(info.dtype)
        count = int(np.prod(shape, dtype=np.int64))
        if kind == "string":
            values = np.array([_png()] * count, np.object_)
        elif kind in ("int64", "int32", "uint8"):
            values = np.arange(count, dtype=kind) % (2 if alias == "label" else 128)
        elif kind in ("float", "double"):
            values = np.ones(count, {"float": np.float32, "double": np.float64}[kind])
        else:
            raise ServingError(f"no example value for input {alias} of dtype {kind}")
        inputs[alias] = values.reshape(shape)
    return inputs


def wrong_answers(definition: Any, outputs: Arrays, batch: int) -> list[str]:
    """Say which outputs break the signature or the promise that goes with their name."""
    problems = []
    for alias, info in sorted(definition.outputs.items()):
        if alias not in outputs:
            problems.append(f"output {alias} is missing")
            continue
        sizes = [dim.size for dim in info.tensor_shape.dim]
        shape = list(outputs[alias].shape)
        if not info.tensor_shape.unknown_rank and (
            len(shape) != len(sizes)
            or any(size not in (-1, got) for size, got in zip(sizes, shape, strict=True))
        ):
            problems.append(f"output {alias} has shape {shape}, the signature says {sizes}")
        elif shape[:1] != [batch]:
            problems.append(f"output {alias} has shape {shape}, not {batch} rows")
        elif alias in _PROMISES and (problem := _PROMISES[alias](outputs[alias])):
            problems.append(f"output {alias} {problem}")
    return problems


def _image(values: np.ndarray) -> str:
    if values.dtype != np.uint8 or values.ndim != 4:
        return f"is {values.dtype}{list(values.shape)}, not uint8[B,H,W,C]"
    return ""


def _pngs(values: np.ndarray) -> str:
    for position, data in enumerate(values.ravel().tolist()):
        try:
            Image.open(io.BytesIO(data), formats=["PNG"]).load()
        except (OSError, SyntaxError, TypeError) as error:
            return f"at position {position} is no PNG: {error}"
    return ""


def _sentences(values: np.ndarray) -> str:
    for position, data in enumerate(values.ravel().tolist()):
        try:
            if not data.decode().strip():
                return f"at position {position} is empty"
        except (UnicodeDecodeError, AttributeError) as error:
            return f"at position {position} is no UTF-8 text: {error}"
    return ""


def _log_probs(values: np.ndarray) -> str:
    if values.dtype != np.float32 or not np.all(np.isfinite(values)) or np.any(values > 0):
        return f"is {values.dtype} {values.tolist()}, not finite float32 up to 0"
    return ""


def _finite(values: np.ndarray) -> str:
    if values.dtype != np.float32 or not np.all(np.isfinite(values)):
        return f"is {values.dtype} {values.ravel().tolist()}, not finite float32"
    return ""


_OF_SEED = {"image", "png", "value"}
"""Outputs that a seed decides."""

_PROMISES: dict[str, Callable[[np.ndarray], str]] = {
    "image": _image,
    "png": _pngs,
    "caption": _sentences,
    "log_prob": _log_probs,
    "value": _finite,
}


def _png() -> bytes:
    shades = np.linspace(0, 255, 32 * 32 * 3).astype(np.uint8).reshape(32, 32, 3)
    buffer = io.BytesIO()
    Image.fromarray(shades).save(buffer, format="PNG")
    return buffer.getvalue()


def _described(definition: Any) -> dict[str, dict[str, str]]:
    return {
        "inputs": {k: _shape(v) for k, v in sorted(definition.inputs.items())},
        "outputs": {k: _shape(v) for k, v in sorted(definition.outputs.items())},
    }


def _shape(info: Any) -> str:
    sizes = ",".join(
        "B" if d.size < 0 and i == 0 else str(d.size) for i, d in enumerate(info.tensor_shape.dim)
    )
    return f"{wire.dtype_name(info.dtype)}[{sizes}]"
