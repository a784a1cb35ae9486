"""Metrics that belong to the process and not to one server, as in TensorFlow itself."""

from __future__ import annotations

import prometheus_client as prometheus

LATENCIES_US = [10 * 1.8**power for power in range(33)]
"""Bounds of TensorFlow Serving's histograms of time, in microseconds."""

GRAPH_RUNS = prometheus.Counter(
    ":tensorflow:core:graph_runs", "How often a session was run.", registry=None
)
WARM_UPS = prometheus.Histogram(
    ":tensorflow:serving:model_warmup_latency",
    "Time of all stored warm-up requests of a version, in microseconds.",
    ("model_path", "status"),
    buckets=LATENCIES_US,
    registry=None,
)
