"""Prometheus metrics under TensorFlow Serving's names, and the memory of each model."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.core import ServerCore
from serving.process_metrics import GRAPH_RUNS, LATENCIES_US, WARM_UPS
from serving.status import StatusError

CONTENT_TYPE = prometheus.CONTENT_TYPE_PLAIN_0_0_4
# `util/prometheus_exporter.cc` shows TensorFlow's metrics with a colon for each slash.
_SIZES = [2.0**power for power in range(17)]
_PREFIX = ":tensorflow:serving:"
prometheus.disable_created_metrics()
# The client library ends every counter's name in _total; TensorFlow Serving's dashboards do not.
_TOTAL = re.compile(rb"(:tensorflow:[a-z:_]+)_total\b")


class Metrics:
    """The metrics of one server in a registry of its own."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        for shared in (_Models(core), GRAPH_RUNS, WARM_UPS):
            self._registry.register(shared)
        self._requests = self._counter(
            "request_count", "The total number of requests.", "model_name", "status"
        )
        self._latency = self._histogram(
            "request_latency",
            "Time of requests that were answered, in microseconds.",
            LATENCIES_US,
            "model_name",
            "API",
            "entrypoint",
        )
        self._runtime = self._histogram(
            "runtime_latency",
            "Time of the graph and of the wait for a batch, in microseconds.",
            LATENCIES_US,
            "model_name",
            "API",
            "runtime",
        )
        self._examples = self._histogram(
            "request_example_counts", "Rows of the requests that were answered.", _SIZES, "model"
        )
        self._queuing = self._histogram(
            "batching_session:queuing_latency", "Wait for a batch, in microseconds.", LATENCIES_US
        )
        self._input = self._histogram(
            "batching_session:input_batch_size", "Rows of each request that was batched.", _SIZES
        )
        self._padding = self._histogram(
            "batching_session:padding_size", "Rows added to reach an allowed size.", _SIZES
        )
        self._processed = self._histogram(
            "batching_session:processed_batch_size", "Rows of a batch, padding included.", _SIZES
        )
        self._signatures = prometheus.Counter(
            "serving_signature_requests",
            "Requests that were answered, by version and signature.",
            ("model_name", "version", "signature"),
            registry=self._registry,
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(_PREFIX + name, meaning, labels, registry=self._registry)

    def _histogram(
        self, name: str, meaning: str, buckets: Sequence[float], *labels: str
    ) -> prometheus.Histogram:
        return prometheus.Histogram(
            _PREFIX + name, meaning, labels, buckets=buckets, registry=self._registry
        )

    def page(self) -> bytes:
        """Return the text Prometheus scrapes."""
        return _TOTAL.sub(rb"\1", prometheus.generate_latest(self._registry))

    def count(self, name: str) -> int:
        """Return a counter's sum over all labels; 0 if there is none of that name.

        Args:
          name: With slashes, as TensorFlow spells it, or with colons, as the page shows it.
        """
        wanted = name.replace("/", ":")
        return sum(
            int(sample.value)
            for family in self._registry.collect()
            if family.type == "counter" and family.name == wanted
            for sample in family.samples
        )

    @contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Count a request by its status; time it if it is answered."""
        start = time.perf_counter()
        status = "OK"
        try:
            yield
        except StatusError as error:
            status = error.code.name
            raise
        except Exception:
            status = "INTERNAL"
            raise
        else:
            took = 1e6 * (time.perf_counter() - start)
            self._latency.labels(model, api, entrypoint).observe(took)
        finally:
            if status != "OK" and model not in self._core.models():
                model = ""  # a stranger's names must not become series without end
            self._requests.labels(model, status).inc()

    def ran(
        self, api: str, model: str, version: int, signature: str, rows: int, seconds: float
    ) -> None:
        """Note a run of a graph that succeeded."""
        self._runtime.labels(model, api, "TF1").observe(1e6 * seconds)
        self._examples.labels(model).observe(rows)
        self._signatures.labels(model, version, signature).inc()

    def batch(self, requests: Sequence[tuple[int, float]], padded: int) -> None:
        """Note a batch: the rows and the wait (s) of each request in it, and its size as run."""
        for rows, waited in requests:
            self._input.observe(rows)
            self._queuing.observe(1e6 * waited)
        self._padding.observe(padded - sum(rows for rows, _ in requests))
        self._processed.observe(padded)


class _Models(Collector):
    """State and memory of every version, read when scraped."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "serving_model_memory_bytes",
            "Variables and graph of a loaded version.",
            labels=("model_name", "version"),
        )
        state = GaugeMetricFamily(
            "serving_model_state",
            "ModelVersionStatus.State: 10 start, 20 loading, 30 available, 40 unloading, 50 end.",
            labels=("model_name", "version"),
        )
        loads = CounterMetricFamily(
            ":tensorflow:cc:saved_model:load_attempt_count",
            "How often a SavedModel was loaded, and whether it could be.",
            labels=("model_path", "status"),
        )
        total = 0
        for name, model in self._core.models().items():
            for version, size in model.memory().items():
                memory.add_metric((name, str(version)), size)
                total += size
            for (path, status), count in model.loads().items():
                loads.add_metric((path, status), count)
            for version, (number, _) in model.statuses().items():
                state.add_metric((name, str(version)), number)
        yield memory
        yield GaugeMetricFamily(
            "serving_models_memory_bytes", "The same for all versions together.", value=total
        )
        yield state
        yield loads
