#!/usr/bin/env python
"""Tell whether an image can do its work: `docker run --rm IMAGE genvision-smoke [--gpu]`.

Each line is one thing that was really done, not only imported. Exit code 1 if any of them fails.
Standard library above, everything heavy inside its check: one broken package hides no other.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def python() -> str:
    """Pods run Python 3.11 as a user without rights, with a home and a temporary folder."""
    if sys.version_info[:2] != (3, 11):
        raise RuntimeError(f"Python {sys.version.split()[0]} instead of 3.11")
    for folder in (Path.home(), Path(tempfile.gettempdir())):
        if not os.access(folder, os.W_OK):
            raise RuntimeError(f"{folder} cannot be written by user {os.getuid()}")
    return f"{sys.version.split()[0]}, user {os.getuid()}"


def no_root() -> str:
    """A cluster that enforces runAsNonRoot refuses an image that starts as root."""
    if os.getuid() == 0:
        raise RuntimeError("runs as root")
    return "not root"


def recipes() -> str:
    """Every packaged recipe resolves: configuration files are in the package."""
    from pipeline import config

    return f"{len([config.load(name) for name in config.names()])} recipes resolve"


def node() -> str:
    """The module that every pod starts is there, and so is TFX's launcher."""
    from importlib import import_module

    from tfx import version
    from tfx.orchestration.portable import launcher

    import_module("pipeline.runners.kubeflow.node")
    return f"TFX {version.__version__}, {launcher.Launcher.__name__}"


def metadata() -> str:
    """ML Metadata's own library opens a store and reads back what it wrote."""
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.SetInParent()
    store = metadata_store.MetadataStore(connection)
    store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Smoke"))
    return f"type {store.get_artifact_type('Smoke').name} written and read"


def tensorflow() -> str:
    """TensorFlow computes, and its image kernels read what they wrote."""
    import tensorflow as tf

    image = tf.cast(tf.reshape(tf.range(64), (8, 8, 1)), tf.uint8)
    again = tf.io.decode_png(tf.io.encode_png(image))
    if not bool(tf.reduce_all(image == again)):
        raise RuntimeError("a PNG is not what was encoded")
    return f"{tf.__version__}, PNG kernels"


def gpu() -> str:
    """A matrix product really runs on the first GPU; cuDNN answers a convolution."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise RuntimeError("TensorFlow sees no GPU (image built with GPU=1? run with --gpus all?)")
    with tf.device("/GPU:0"):
        result = tf.nn.conv2d(tf.ones((1, 8, 8, 3)), tf.ones((3, 3, 3, 4)), 1, "VALID")
    return f"{len(found)} GPU, convolution of {int(result[0, 0, 0, 0])} ones"


def beam() -> str:
    """Beam runs a pipeline in this process, with the runner that recipes use."""
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.testing.util import assert_that, equal_to

    with apache_beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        made = pipeline | apache_beam.Create([1, 2, 3]) | apache_beam.CombineGlobally(sum)
        assert_that(made, equal_to([6]))
    return apache_beam.__version__


CHECKS: tuple[Callable[[], str], ...] = (python, recipes, metadata, tensorflow, beam, node)


def main() -> int:
    """Run the checks, one line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gpu", action="store_true", help="fail without a working GPU")
    parser.add_argument("--allow-root", action="store_true", help="outside of a container")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    checks = CHECKS + (() if given.allow_root else (no_root,)) + ((gpu,) if given.gpu else ())
    failed = 0
    for check in checks:
        start = time.perf_counter()
        try:
            word, text = "ok", check()
        except Exception as error:  # whatever a broken package raises is the finding
            word, text, failed = "FAILED", f"{type(error).__name__}: {error}", failed + 1
        print(f"{word:7} {check.__name__:11} {time.perf_counter() - start:5.1f} s  {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
