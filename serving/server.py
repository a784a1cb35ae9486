"""`python -m serving.server`: the embedded model server's command line."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import click

from serving.errors import ServingError

READY = "serving {model} version {version} on {target}"


def run(
    *,
    model_name: str,
    model_base_path: Path | None,
    model_config_file: Path | None = None,
    config_poll_s: float = 0.0,
    host: str = "127.0.0.1",
    port: int = 8500,
    rest_port: int | None = None,
    poll_s: float = 1.0,
    grace_s: float = 10.0,
    as_content: bool = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let requests under way finish.

    Prints one line per model on standard output when it answers.

    Raises:
      ServingError: For a busy port, a missing folder or a config file with errors.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    _check_given(model_base_path, model_config_file)
    _check_port(host, port)
    if rest_port is not None:
        _check_port(host, rest_port)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow's import takes seconds: everything that can be refused before it has been.
    from serving import config
    from serving.config_watch import ConfigWatch
    from serving.model_server import ModelServer

    models = (
        config.read(model_config_file)
        if model_config_file
        else config.single(model_name, Path(model_base_path or ""))
    )
    server = ModelServer(
        models, host=host, port=port, rest_port=rest_port, poll_s=poll_s, as_content=as_content
    )
    server.start()
    if model_config_file and config_poll_s > 0:
        ConfigWatch(server.core, model_config_file, config_poll_s).start()
    try:
        _announce(server, stopped)
        stopped.wait()
    finally:
        print("stopping: waiting for requests under way", file=sys.stderr, flush=True)
        server.stop(grace_s)


def _announce(server, stopped: threading.Event) -> None:  # type: ignore[no-untyped-def]
    """Print a ready line for each model as soon as it has a version."""
    waiting = dict(server.core.models())
    told = False
    while waiting and not stopped.is_set():
        for name, model in list(waiting.items()):
            if ready := model.available():
                print(READY.format(model=name, version=ready[0], target=server.target), flush=True)
                del waiting[name]
        if waiting and not told:
            told = True
            folders = ", ".join(str(m.settings.base_path) for m in waiting.values())
            print(f"waiting for a first version in {folders}", file=sys.stderr, flush=True)
        stopped.wait(0.1 if waiting else 0)


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


def _check_port(host: str, port: int) -> None:
    """Refuse a port in use at once; the server itself checks again when it binds."""
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        raise ServingError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "choose another --port (0 picks a free one)"
        ) from error


@click.command(context_settings={"token_normalize_func": lambda name: name.replace("_", "-")})
@click.option("--model-name", default="default", show_default=True)
@click.option("--model-base-path", type=click.Path(path_type=Path), help="One folder per version.")
@click.option("--model-config-file", type=click.Path(path_type=Path), help="Several models.")
@click.option(
    "--model-config-file-poll-wait-seconds",
    "config_poll_s",
    type=float,
    default=0.0,
    show_default=True,
    help="Read the config file again this often; 0 never.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8500, show_default=True)
@click.option(
    "--rest-port", "--rest-api-port", type=click.IntRange(0, 65535), help="None: no REST."
)
@click.option(
    "--file-system-poll-wait-seconds", "poll_s", type=float, default=1.0, show_default=True
)
@click.option("--grace-seconds", "grace_s", type=float, default=10.0, show_default=True)
@click.option(
    "--enable-serialization-as-tensor-content",
    "as_content",
    is_flag=True,
    help="Answer numbers in tensor_content instead of the typed fields.",
)
def main(**options) -> None:  # type: ignore[no-untyped-def]
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.INFO)
    try:
        run(**options)
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
