"""All models of a server: lookup by request, status, reload, and a watching thread for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager

from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from serving.config import ModelSettings
from serving.model import Model, State
from serving.servable import Servable
from serving.status import Code, StatusError, invalid

RELOAD_WAIT_S = 60.0


class ServerCore:
    """Models by name, each followed by a thread of its own: a slow load delays no other model."""

    def __init__(self, poll_s: float = 1.0) -> None:
        self._poll_s = poll_s
        self._models: dict[str, Model] = {}
        self._retired: dict[str, Model] = {}
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, settings: Mapping[str, ModelSettings]) -> None:
        """Begin to follow every model, and return when each folder was looked at once."""
        self._models = {name: Model(s) for name, s in settings.items()}
        for model in self._models.values():
            self._follow(model)
        for model in self._models.values():
            model.polled.wait()

    def stop(self) -> None:
        """Stop watching; loaded versions stay usable for requests under way."""
        self._stopping.set()
        for model in self.models().values():
            model.wake.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _follow(self, model: Model) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(
            target=model.follow,
            args=(self._poll_s, self._stopping),
            name=f"versions of {model.settings.name}",
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()

    def models(self) -> dict[str, Model]:
        """Return the models now configured, by name."""
        with self._lock:
            return dict(self._models)

    def use(self, spec: model_pb2.ModelSpec) -> AbstractContextManager[Servable]:
        """Hold the version a request's model_spec means (`ServableRequestFromModelSpec`).

        Raises:
          StatusError: INVALID_ARGUMENT without a name, NOT_FOUND for an unknown model or version.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        version = spec.version.value if choice == "version" else None
        label = spec.version_label if choice == "version_label" else ""
        model = self.models().get(spec.name)
        if model is None:
            if label:
                raise invalid(f"Unrecognized servable version label: {label}")
            wanted = (
                f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            )
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return model.use(version, label)

    def status(self, spec: model_pb2.ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """Answer GetModelStatus (`get_model_status_impl.cc`); a label is ignored.

        Raises:
          StatusError: NOT_FOUND for a model or version never seen.
        """
        with self._lock:
            model = self._models.get(spec.name) or self._retired.get(spec.name)
        known = model.statuses() if model else {}
        if not known:
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        if spec.WhichOneof("version_choice") == "version":
            version = spec.version.value
            if version not in known:
                raise StatusError(
                    Code.NOT_FOUND, f"Could not find version {version} of model {spec.name}"
                )
            known = {version: known[version]}
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, error) in known.items():
            row = response.model_version_status.add(version=version, state=state)
            if error:
                row.status.error_code = error.code.value[0]
                row.status.error_message = error.message
            else:
                row.status.SetInParent()
        return response

    def reload(self, settings: Mapping[str, ModelSettings], wait_s: float = RELOAD_WAIT_S) -> None:
        """Make `settings` the whole truth and wait until each new model answers or has failed.

        Unlike the C++ server it waits for a bounded time, and a config refused for its labels
        changes nothing.

        Raises:
          StatusError: FAILED_PRECONDITION for a label on a version that is not available;
            UNKNOWN if a new model did not become available.
        """
        with self._reloading:
            before = self.models()
            for name, wanted in settings.items():
                if name in before:
                    _check_labels(before[name], wanted)
            after = {name: before.get(name) or Model(s) for name, s in settings.items()}
            for name, model in after.items():
                if model.settings.base_path != settings[name].base_path:
                    after[name] = Model(settings[name])
                model.settings = settings[name]
            with self._lock:
                self._models = after
                dropped = {n: m for n, m in before.items() if after.get(n) is not m}
                self._retired.update({n: m for n, m in dropped.items() if n not in after})
            for model in dropped.values():
                model.retire()
            fresh = [name for name, model in after.items() if before.get(name) is not model]
            for name, model in after.items():
                if name in fresh:
                    self._follow(model)
                else:
                    model.wake.set()
            _await_available([after[name] for name in fresh], time.monotonic() + wait_s)


def _check_labels(model: Model, wanted: ModelSettings) -> None:
    ready = model.available()
    for label, version in wanted.labels.items():
        if version not in ready and model.settings.labels.get(label) != version:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {wanted.name}, "
                "which is not currently available for inference",
            )


def _await_available(models: list[Model], deadline: float) -> None:
    failures = []
    for model in models:
        model.polled.wait(max(0.0, deadline - time.monotonic()))
        while not _settled(model) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not model.available():
            failures.append(_failure(model))
    if failures:
        raise StatusError(
            Code.UNKNOWN,
            f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}",
        )


def _settled(model: Model) -> bool:
    states = [state for state, _ in model.statuses().values()]
    return State.AVAILABLE in states or not set(states) & {State.LOADING, State.START}


def _failure(model: Model) -> str:
    for version, (_, error) in model.statuses().items():
        if error:
            where = f"name: {model.settings.name} version: {version}"
            return f"{{{where}}} due to error: {error.message}, "
    where = f"no complete version in {model.settings.base_path}"
    return f"{{name: {model.settings.name}}} due to error: {where}, "
