"""Warm-up: requests stored with a version that must succeed before it is served."""

from __future__ import annotations

import time
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.classify import classify, multi_inference, regress
from serving.predict import predict
from serving.process_metrics import WARM_UPS
from serving.servable import Servable
from serving.status import Code, StatusError, from_tensorflow, invalid

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(servable: Servable, path: Path) -> int:
    """Run every stored request once.

    Args:
      servable: The loaded version.
      path: Its folder; `assets.extra/tf_serving_warmup_requests` is a TFRecord of PredictionLog.

    Returns:
      How many requests ran; 0 if the version stores none.

    Raises:
      StatusError: A record that does not parse, a request that fails or record 1001 fails the load.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return 0
    start, status = time.perf_counter(), "OK"
    try:
        return _run_all(servable, file)
    except StatusError as fault:
        status = fault.code.name
        raise
    finally:
        WARM_UPS.labels(path, status).observe(1e6 * (time.perf_counter() - start))


def _run_all(servable: Servable, file: Path) -> int:
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            if count == MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS})")
            _run(servable, prediction_log_pb2.PredictionLog.FromString(record))
            count += 1
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record {count} of {file}: {error}") from error
    except tf.errors.OpError as error:
        fault = from_tensorflow(error)
        raise StatusError(fault.code, f"cannot read {file}: {fault.message}") from error
    except StatusError as fault:
        raise StatusError(
            fault.code, f"warmup record {count} of {file}: {fault.message}"
        ) from fault
    return count


def _run(servable: Servable, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict(servable, log.predict_log.request)
    elif kind == "classify_log":
        classify(servable, log.classify_log.request)
    elif kind == "regress_log":
        regress(servable, log.regress_log.request)
    elif kind == "multi_inference_log":
        multi_inference(servable, log.multi_inference_log.request)
    else:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
