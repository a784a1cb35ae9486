"""REST bodies of :classify and :regress: examples as objects of features."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import classification_pb2, regression_pb2

from serving import classify as examples
from serving.rest_values import decimals, unbase64
from serving.servable import Run, Servable
from serving.status import invalid

_LISTS: dict[type, str] = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
_TOO_LARGE = 3.4028235677973366e38
"""The first number that would be rounded to an infinite float32."""


def classify(servable: Servable, name: str, body: Mapping[str, Any], run: Run) -> bytes:
    """Answer {"results": [[[label, score], ...] per example]}.

    Raises:
      StatusError: As `serving.classify.classify`, and for examples that cannot be read.
    """
    request = classification_pb2.ClassificationRequest(model_spec={"signature_name": name})
    _fill(request.input, body)
    rows = examples.classify(servable, request, run).result.classifications
    return _results([_pairs(row.classes) for row in rows])


def regress(servable: Servable, name: str, body: Mapping[str, Any], run: Run) -> bytes:
    """Answer {"results": [value per example]}.

    Raises:
      StatusError: As `serving.classify.regress`, and for examples that cannot be read.
    """
    request = regression_pb2.RegressionRequest(model_spec={"signature_name": name})
    _fill(request.input, body)
    rows = examples.regress(servable, request, run).result.regressions
    return _results(_shown(row.value for row in rows))


def _pairs(classes: Sequence[Any]) -> list:
    scores = _shown(c.score for c in classes)
    return [[c.label, score] for c, score in zip(classes, scores, strict=True)]


def _shown(values: Iterable[float]) -> list[float]:
    return decimals(np.fromiter(values, np.float32)).tolist()


def _results(values: list) -> bytes:
    return json.dumps({"results": values}).encode()


def _fill(given: Any, body: Mapping[str, Any]) -> None:
    rows = body.get("examples")
    if not isinstance(rows, list) or not rows:
        raise invalid("When method is classify or regress, key 'examples' must be a list of values")
    messages = [_example(row) for row in rows]
    if "context" in body:
        given.example_list_with_context.context.CopyFrom(_example(body["context"]))
        given.example_list_with_context.examples.extend(messages)
    else:
        given.example_list.examples.extend(messages)


def _example(row: Any) -> example_pb2.Example:
    if not isinstance(row, dict):
        raise invalid("Example must be a JSON object of features")
    example = example_pb2.Example()
    for name, value in row.items():
        _feature(
            example.features.feature[name], name, value if isinstance(value, list) else [value]
        )
    return example


def _feature(feature: Any, name: str, values: list) -> None:
    """Fill the list of the values' one kind; a feature without values has none, and a default."""
    try:
        read = [_value(value) for value in values]
        kinds = {type(value) for value in read}
        if len(kinds) > 1:
            raise TypeError
        for kind in kinds:
            getattr(feature, _LISTS[kind]).value.extend(read)
    except (TypeError, ValueError, OverflowError):
        raise invalid(
            f"Example has a feature that cannot be read: {name}; expected numbers of one kind, "
            'text or {"b64": ...}'
        ) from None


def _value(value: Any) -> bytes | int | float:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) == {"b64"}:
        return unbase64(value["b64"])
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return int(value)  # refused where it needs the place of the sign
    if not isinstance(value, int | float):
        raise TypeError
    number = float(value)  # also of integers that 64 bits do not hold
    if math.isfinite(number) and abs(number) >= _TOO_LARGE:
        raise OverflowError
    return number
