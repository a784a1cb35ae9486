"""`python -m serving.server`: the embedded model server's command line."""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from serving import flags
from serving.errors import ServingError
from serving.options import Options

log = logging.getLogger("serving")
_PATH = click.Path(path_type=Path)

READY = "serving {model} version {version} on {target}"
POLL_S = 0.1
"""Seconds between two looks at whether a model is ready or a signal has come."""


def run(
    *,
    model_name: str,
    model_base_path: Path | None,
    model_config_file: Path | None = None,
    config_poll_s: float = 0.0,
    grace_s: float = 10.0,
    **options: Any,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let requests under way finish; ends the process.

    Prints one line per model on standard output when it answers.

    Args:
      model_name: Name clients ask for, with `model_base_path`.
      model_base_path: One folder per version.
      model_config_file: Several models, instead.
      config_poll_s: Read the config file again this often, in seconds; 0 never.
      grace_s: How long requests under way may take when the server stops, in seconds.
      options: The fields of `serving.options.Options`.

    Raises:
      ServingError: For a busy port, a missing folder or a config file with errors.
    """
    # A plain list: an event's lock may be held by the very thread that the handler interrupts.
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _leave("stopping: nothing is served yet"))
    _check_given(model_base_path, model_config_file)
    given = Options(**options)
    for port in (given.port, given.rest_port):
        if port is not None:
            _check_port(given.host, port)
    if given.token and given.tls is None and given.host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("the token travels unencrypted to %s: give --tls-cert, --tls-key", given.host)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow's import takes seconds: everything that can be refused before it has been.
    config, ConfigWatch, ModelServer = _loaded()  # noqa: N806
    # Kept: what changes while models load is then seen as a change.
    seen = _content(model_config_file) if model_config_file else b""
    models = (
        config.read(model_config_file, seen)
        if model_config_file
        else config.single(model_name, Path(model_base_path or ""))
    )
    server = ModelServer(models, **options)
    server.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    if model_config_file and config_poll_s > 0:
        ConfigWatch(server.core, model_config_file, config_poll_s, seen).start()
    try:
        _announce(server, stopped)
        # Looked at now and then: a signal that another thread was given wakes nobody.
        while not stopped:
            time.sleep(POLL_S)
    finally:
        print("stopping: waiting for requests under way", file=sys.stderr, flush=True)
        server.stop(grace_s)
    _leave()


def _leave(why: str = "") -> NoReturn:
    """End the process with 0, whatever its threads do.

    A load, or a run that outlasts its grace, is in C++: it cannot be interrupted, and a plain exit
    would wait for it.
    """
    if why:
        print(why, file=sys.stderr, flush=True)
    atexit._run_exitfuncs()
    os._exit(0)


def _loaded() -> tuple[Any, Any, Any]:
    """Import what needs TensorFlow; what that makes stays, so nobody looks for garbage in it."""
    gc.disable()
    with _without_chatter():
        import tensorflow as tf

        from serving import config
        from serving.config_watch import ConfigWatch
        from serving.model_server import ModelServer

        # Looked for once per process: on a machine without one this is where CUDA complains.
        tf.config.list_physical_devices("GPU")
    gc.freeze()
    gc.enable()
    return config, ConfigWatch, ModelServer


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Drop what TensorFlow's C++ parts write when they start; its log level does not reach them."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _announce(server, stopped: list[int]) -> None:  # type: ignore[no-untyped-def]
    """Print a ready line for each model as soon as it has a version."""
    waiting = dict(server.core.models())
    told = False
    while waiting and not stopped:
        for name, model in list(waiting.items()):
            if ready := model.available():
                print(READY.format(model=name, version=ready[0], target=server.target), flush=True)
                del waiting[name]
        if waiting and not told:
            told = True
            folders = ", ".join(str(m.settings.base_path) for m in waiting.values())
            print(f"waiting for a first version in {folders}", file=sys.stderr, flush=True)
        if waiting:
            time.sleep(POLL_S)
    if server.rest_port is not None:
        host = server.target.rpartition(":")[0]
        print(f"REST and metrics on http://{host}:{server.rest_port}", file=sys.stderr, flush=True)


def _check_given(base_path: Path | None, config_file: Path | None) -> None:
    if (base_path is None) == (config_file is None):
        raise ServingError("give either --model-base-path or --model-config-file")
    if base_path is not None and not base_path.is_dir():
        raise ServingError(
            f"the base path is no directory: {base_path}; it must exist and hold one folder "
            "per version (1, 2, ...)"
        )
    if config_file is not None and not config_file.is_file():
        raise ServingError(f"no such model config file: {config_file}")


def _content(config_file: Path) -> bytes:
    try:
        return config_file.read_bytes()
    except OSError as error:
        raise ServingError(
            f"cannot read the model config file {config_file}: {error.strerror}"
        ) from error


def _check_port(host: str, port: int) -> None:
    """Refuse a port in use at once; the server itself checks again when it binds."""
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        advice = "choose another --port (0 picks a free one)"
        if isinstance(error, socket.gaierror):
            advice = "--host must be a name or an address of this machine"
        raise ServingError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; {advice}"
        ) from error


@click.command(context_settings={"token_normalize_func": lambda name: name.replace("_", "-")})
@click.option("--model-name", default="default", show_default=True)
@click.option("--model-base-path", type=_PATH, help="One folder per version.")
@click.option("--model-config-file", type=_PATH, help="Several models.")
@click.option(
    "--model-config-file-poll-wait-seconds",
    "config_poll_s",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Read the config file again this often; 0 never.",
)
@click.option(
    "--grace-seconds", "grace_s", type=click.FloatRange(0), default=10.0, show_default=True
)
@flags.listening
@flags.protection
@flags.behaviour
def main(**options: Any) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.INFO)
    try:
        run(**flags.resolved(options))
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
