"""All models of a server: lookup by request, status, reload, and a watching thread for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from serving.cancellation import timed_out
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
        self._moving: dict[str, Model] = {}
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

    def stop(self, wait_s: float) -> None:
        """Stop watching, and wait so long for loads; loaded versions stay usable.

        Args:
          wait_s: Seconds for all threads together.
        """
        until = time.monotonic() + wait_s
        self._stopping.set()
        for model in self.models().values():
            model.wake.set()
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

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
        if spec.WhichOneof("version_choice") == "version":
            version = spec.version.value
            if version not in known:
                raise StatusError(
                    Code.NOT_FOUND, f"Could not find version {version} of model {spec.name}"
                )
            known = {version: known[version]}
        elif not known:
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, error) in known.items():
            row = response.model_version_status.add(version=version, state=state)
            if error:
                row.status.error_code = error.code.value[0]
                row.status.error_message = error.message
            else:
                row.status.SetInParent()
        return response

    def reload(
        self,
        settings: Mapping[str, ModelSettings],
        wait_s: float = RELOAD_WAIT_S,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make `settings` the whole truth and wait until each new model answers or has failed.

        Unlike the C++ server it waits for a bounded time and holds up no other reload meanwhile, a
        config refused for its labels changes nothing, and a model whose base path changes is served
        from the old one until a version of the new one answers.

        Args:
          settings: What to serve from now on, by name.
          wait_s: Seconds to wait.
          wanted: Whether somebody still waits for this; asked now and then.

        Raises:
          StatusError: FAILED_PRECONDITION for a label on a version that is not available;
            UNKNOWN if a new model, or one at a new base path, did not become available;
            DEADLINE_EXCEEDED, with nothing changed, if other reloads took all the time.
        """
        until = time.monotonic() + wait_s
        if not self._reloading.acquire(timeout=max(0.0, wait_s)):
            raise timed_out()
        try:
            fresh, moved = self._apply(settings)
        finally:
            self._reloading.release()
        _await_settled([*fresh, *moved], until, wanted)
        with self._reloading:  # else a reload that just begins could put the old one back
            for model in moved:
                self._replace(model)
        failures = [_failure(model) for model in (*fresh, *moved) if not model.available()]
        if failures:
            raise StatusError(
                Code.UNKNOWN,
                f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}",
            )

    def _apply(self, settings: Mapping[str, ModelSettings]) -> tuple[list[Model], list[Model]]:
        """Change what can change at once; return the new models, and those with a new base path."""
        before = self.models()
        for name, wanted in settings.items():
            if name in before:
                _check_labels(before[name], wanted)
        after = {name: before.get(name) or Model(s) for name, s in settings.items()}
        paths = {name: model.settings.base_path for name, model in after.items()}
        moved = [
            Model(s, self._tried(s)) for name, s in settings.items() if s.base_path != paths[name]
        ]
        staying = after.keys() - {model.settings.name for model in moved}
        for name in staying:
            after[name].settings = settings[name]
        gone = {name: model for name, model in before.items() if name not in after}
        with self._lock:
            self._models = after
            # The last config counts: what an earlier one still waits for is no longer wanted.
            self._moving = {model.settings.name: model for model in moved}
            self._retired.update(gone)
        for model in gone.values():
            model.retire()
        fresh = [model for name, model in after.items() if name not in before]
        for model in (*fresh, *moved):
            self._follow(model)
        for name in staying & before.keys():
            after[name].wake.set()
        return fresh, moved

    def _tried(self, wanted: ModelSettings) -> Model | None:
        """Return what the last config already tried of this: a watched file asks every second."""
        model = self._moving.get(wanted.name)
        return model if model and model.settings.base_path == wanted.base_path else None

    def _replace(self, model: Model) -> None:
        """Serve a model from its new base path if that has a version, else go on as before."""
        name, leaving = model.settings.name, model
        with self._lock:
            if self._moving.get(name) is model and model.available():
                leaving, self._models[name] = self._models[name], model
        leaving.retire()


def _check_labels(model: Model, wanted: ModelSettings) -> None:
    ready = model.available()
    for label, version in wanted.labels.items():
        if version not in ready and model.settings.labels.get(label) != version:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {wanted.name}, "
                "which is not currently available for inference",
            )


def _await_settled(models: Sequence[Model], until: float, wanted: Callable[[], bool]) -> None:
    while time.monotonic() < until and wanted():
        if all(model.polled.is_set() and _settled(model) for model in models):
            return
        time.sleep(0.02)


def _settled(model: Model) -> bool:
    states = [state for state, _ in model.statuses().values()]
    return State.AVAILABLE in states or State.LOADING not in states


def _failure(model: Model) -> str:
    reason = f"no complete version in {model.settings.base_path}"
    for version, (state, error) in model.statuses().items():
        if error:
            where = f"name: {model.settings.name} version: {version}"
            return f"{{{where}}} due to error: {error.message}, "
        if state == State.END:
            reason = "a later config took its place"
    return f"{{name: {model.settings.name}}} due to error: {reason}, "
