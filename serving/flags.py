"""Command-line flags of the model server, with TensorFlow Serving's names, and of its clients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from serving.errors import ServingError
from serving.options import (
    Address,
    Batching,
    Limits,
    Tls,
    read_batching,
    read_metrics_path,
    read_ssl_config,
    read_token,
)

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)
_PORT, _COUNT = click.IntRange(0, 65535), click.IntRange(1)


def listening(command: Command) -> Command:
    """Add where the server listens and how often it looks for versions."""
    return _with(
        command,
        click.option("--host", default="127.0.0.1", show_default=True),
        click.option("--port", type=_PORT, default=8500, show_default=True),
        click.option("--rest-port", "--rest-api-port", type=_PORT, help="None: no REST."),
        click.option(
            "--file-system-poll-wait-seconds",
            "poll_s",
            type=click.FloatRange(0),
            default=1.0,
            show_default=True,
            help="Look for new versions this often; 0: at start only.",
        ),
        click.option(
            "--rest-api-timeout-in-ms",
            "rest_timeout_ms",
            type=_COUNT,
            default=30_000,
            show_default=True,
        ),
        click.option(
            "--rest-api-enable-cors-support",
            "cors",
            is_flag=True,
            help="Let pages of every site ask.",
        ),
    )


def protection(command: Command) -> Command:
    """Add TLS, the token and the limits."""
    limits = Limits()
    return _with(
        command,
        click.option("--tls-cert", type=_PATH, help="Certificate chain (PEM): TLS on both ports."),
        click.option("--tls-key", type=_PATH, help="Its private key (PEM)."),
        click.option(
            "--tls-client-ca", type=_PATH, help="Ask clients for a certificate of this CA (PEM)."
        ),
        click.option(
            "--ssl-config-file",
            type=_PATH,
            help="Key, certificate and CA in one text file.",
        ),
        click.option("--token-file", type=_PATH, help="Refuse requests without this bearer token."),
        click.option(
            "--max-request-bytes", type=_COUNT, default=limits.request_bytes, show_default=True
        ),
        click.option("--max-batch-rows", type=_COUNT, default=limits.batch_rows, show_default=True),
        click.option(
            "--max-image-side",
            type=_COUNT,
            default=limits.image_side,
            show_default=True,
            help="Pixels of an encoded image.",
        ),
    )


def behaviour(command: Command) -> Command:
    """Add batching, monitoring and the form of answers."""
    return _with(
        command,
        click.option("--enable-batching", is_flag=True, help="Run waiting requests together."),
        click.option("--batching-parameters-file", type=_PATH, help="Text format; sizes, waiting."),
        click.option(
            "--monitoring-config-file",
            type=_PATH,
            help="Text format. Without it: metrics on the REST port.",
        ),
        click.option(
            "--grpc-max-threads",
            "threads",
            type=click.IntRange(0),
            default=0,
            help="Requests that run at once. 0: 4 per CPU.",
        ),
        click.option(
            "--enable-serialization-as-tensor-content",
            "as_content",
            is_flag=True,
            help="Answer numbers in tensor_content instead of the typed fields.",
        ),
    )


def asking(default: str | None = None, help_text: str = "A running server.") -> Any:
    """Add the flags of a client; the command gets an `Address` (or None) as `target`."""

    def decorate(command: Callable[..., Any]) -> Any:
        @functools.wraps(command)
        def with_address(
            *, target: str | None, ca: Path | None, token_file: Path | None, **rest: Any
        ) -> Any:
            token = read_token(token_file) if token_file else None
            if target is None and (ca or token):
                raise ServingError("--ca and --token-file go with --target HOST:PORT")
            address = Address(target, ca, token) if target else None
            return command(target=address, **rest)

        return _with(
            with_address,
            click.option(
                "--target",
                default=default,
                show_default=default is not None,
                metavar="HOST:PORT",
                help=f"{help_text} grpcs://, http:// and https:// too.",
            ),
            click.option("--ca", type=_PATH, help="Authority of its certificate (PEM): TLS."),
            click.option("--token-file", type=_PATH, help="Bearer token to show it."),
        )

    return decorate


def resolved(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `serving.server.run` that flags stand for.

    Raises:
      ServingError: For a file that is missing or wrong, or flags that do not go together.
    """
    options = dict(given)
    options["rest_timeout_s"] = options.pop("rest_timeout_ms") / 1000
    options["limits"] = Limits(
        options.pop("max_request_bytes"),
        options.pop("max_batch_rows"),
        options.pop("max_image_side"),
    )
    files = [options.pop(f"tls_{name}") for name in ("key", "cert", "client_ca")]
    options["tls"] = _tls(options.pop("ssl_config_file"), *files)
    token_file = options.pop("token_file")
    options["token"] = read_token(token_file) if token_file else None
    options["batching"] = _batching(
        options.pop("enable_batching"), options.pop("batching_parameters_file")
    )
    if monitoring := options.pop("monitoring_config_file"):
        options["metrics_path"] = read_metrics_path(monitoring)
    return options


def _tls(
    config: Path | None, key: Path | None, certificate: Path | None, client_ca: Path | None
) -> Tls | None:
    if config and (key or certificate or client_ca):
        raise ServingError("--ssl-config-file and --tls-... say the same twice: give one of them")
    if config:
        return read_ssl_config(config)
    if key and certificate:
        return Tls(key, certificate, client_ca)
    if key or certificate or client_ca:
        raise ServingError("TLS needs both --tls-cert and --tls-key")
    return None


def _batching(enabled: bool, file: Path | None) -> Batching | None:
    if not enabled:
        if file:
            raise ServingError("--batching-parameters-file needs --enable-batching")
        return None
    return read_batching(file) if file else Batching()


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
