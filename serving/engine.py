"""Runs of signatures as both faces use them: limits, batching and metrics around the contract."""

from __future__ import annotations

import threading
import time

from tensorflow_serving.apis import predict_pb2

from serving import batcher, limits
from serving.cancellation import Cancellation, cancelled, timed_out
from serving.core import ServerCore
from serving.metrics import Metrics
from serving.options import Options
from serving.predict import predict
from serving.servable import Arrays, Run, Servable, Signature


class Engine:
    """The models of one server and how requests run on them."""

    def __init__(self, core: ServerCore, options: Options) -> None:
        self.core, self.options = core, options
        self.metrics = Metrics(core)
        self._turns = threading.Semaphore(options.turns)
        self._batcher = (
            batcher.Batcher(options.batching, self.metrics.batch) if options.batching else None
        )

    def predict(
        self,
        servable: Servable,
        request: predict_pb2.PredictRequest,
        cancel: Cancellation,
        as_content: bool,
    ) -> predict_pb2.PredictResponse:
        """Answer a PredictRequest on a version that is held.

        Raises:
          StatusError: As `serving.predict.predict`; INVALID_ARGUMENT for a request over a limit.
        """
        return predict(servable, request, self.runs(servable, "Predict", cancel), as_content)

    def runs(self, servable: Servable, api: str, cancel: Cancellation) -> Run:
        """Return what runs the signatures of a version that is held, for one request.

        Args:
          servable: The version.
          api: What the metrics call the request: Predict, Classify, ...
          cancel: When nobody waits for the answer any more.
        """

        def run(signature: Signature, inputs: Arrays) -> Arrays:
            limits.check(self.options.limits, inputs)
            start = time.perf_counter()
            if self._batcher and batcher.allows(signature):
                outputs = self._batcher.run(signature, inputs, cancel)
            else:
                outputs = self._alone(signature, inputs, cancel)
            took = time.perf_counter() - start
            rows = max((array.shape[0] for array in inputs.values() if array.ndim), default=1)
            self.metrics.ran(api, servable.name, servable.version, signature.name, rows, took)
            return outputs

        return run

    def _alone(self, signature: Signature, inputs: Arrays, cancel: Cancellation) -> Arrays:
        """Run a request when it is its turn: more runs at once would only take more memory."""
        if not self._turns.acquire(timeout=cancel.left()):
            raise timed_out()
        try:
            if cancel.cancelled:
                raise cancelled()
            return signature.run(inputs, cancel.left())
        finally:
            self._turns.release()
