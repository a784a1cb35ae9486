"""What a server can be told: limits, batching, TLS, token, monitoring. Free of TensorFlow."""

from __future__ import annotations

import atexit
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from serving.errors import ServingError

METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class Limits:
    """What one request may ask for; more is refused before any work is done."""

    request_bytes: int = 256 << 20
    batch_rows: int = 16_384
    image_side: int = 4_096
    """Pixels along the longer side of an encoded image, read from its header."""


@dataclass(frozen=True)
class Batching:
    """Parameters of server-side batching, with TensorFlow Serving's names and defaults."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 0
    """Batches run at once; 0 means one per CPU."""
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = False
    """Requests of more rows than a batch run in several."""
    max_execution_batch_size: int = 0
    """With splitting, the most rows that run at once; 0 means max_batch_size."""

    @property
    def largest(self) -> int:
        """The most rows that run at once."""
        splits = self.enable_large_batch_splitting
        return (splits and self.max_execution_batch_size) or self.max_batch_size

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches"):
            if getattr(self, name) < 1:
                raise ServingError(f"batching: {name} is {getattr(self, name)}; at least 1")
        for name in ("batch_timeout_micros", "num_batch_threads", "max_execution_batch_size"):
            if getattr(self, name) < 0:
                raise ServingError(f"batching: {name} is {getattr(self, name)}; at least 0")
        if self.max_execution_batch_size > self.max_batch_size:
            raise ServingError(
                f"batching: max_execution_batch_size is {self.max_execution_batch_size}; "
                f"at most max_batch_size, {self.max_batch_size}"
            )
        sizes, largest = self.allowed_batch_sizes, self.largest
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != largest):
            name = (
                "max_batch_size" if largest == self.max_batch_size else "max_execution_batch_size"
            )
            raise ServingError(
                f"batching: allowed_batch_sizes {list(sizes)} must grow and end with "
                f"{name}, {largest}"
            )


@dataclass(frozen=True)
class Tls:
    """PEM files: the server's key and certificate, and whose clients it trusts (mutual TLS)."""

    key: Path
    certificate: Path
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        for path in filter(None, (self.key, self.certificate, self.client_ca)):
            if not path.is_file():
                raise ServingError(f"no such TLS file: {path}")
        try:
            ssl.create_default_context().load_cert_chain(
                self.certificate,
                self.key,
                password="",  # an encrypted key would be asked for at the terminal
            )
        except (ssl.SSLError, OSError) as error:
            raise ServingError(
                f"{self.certificate} and {self.key} are no certificate and its key: {error}"
            ) from error


@dataclass(frozen=True)
class Options:
    """How a server listens and answers; the models are given apart."""

    host: str = "127.0.0.1"
    port: int = 8500
    rest_port: int | None = None
    poll_s: float = 1.0
    threads: int = 0
    """Requests that run at once, unless they are batched; 0 means four per CPU, at least 8."""
    as_content: bool = False
    """Numbers are answered in `tensor_content`, not in the typed fields."""
    rest_timeout_s: float = 30.0
    cors: bool = False
    limits: Limits = field(default_factory=Limits)
    batching: Batching | None = None
    tls: Tls | None = None
    token: str | None = None
    """Bearer token every request must carry, health checks excepted."""
    metrics_path: str | None = METRICS_PATH

    @property
    def turns(self) -> int:
        """How many requests run at once, unless they are batched."""
        return self.threads or max(8, 4 * (os.cpu_count() or 1))


class Address(NamedTuple):
    """Where a server is and what it wants to see.

    Attributes:
      target: HOST:PORT or grpcs://HOST:PORT for gRPC, http://... or https://... for REST.
      ca: PEM file of the authority that signed the server's certificate: asks for TLS. Without it
        grpcs:// and https:// trust the system's authorities.
      token: Bearer token to send with every request.
    """

    target: str
    ca: Path | None = None
    token: str | None = None

    def __str__(self) -> str:
        return self.target


def read_token(path: Path) -> str:
    """Return the token a file holds: a file, because command lines are visible to every user.

    Raises:
      ServingError: If it cannot be read, is empty, or holds what no HTTP header can.
    """
    token = _text(path, "token").strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ServingError(f"{path} must hold one token of printable ASCII characters")
    return token


def read_batching(path: Path) -> Batching:
    """Read a `--batching-parameters-file` (text format of `session_bundle_config.proto`).

    Raises:
      ServingError: If it cannot be read, does not parse or asks for what is not possible.
    """
    from serving.text_config import batching

    return _parsed(path, "batching parameters", batching)


def read_metrics_path(path: Path) -> str | None:
    """Read a `--monitoring-config-file` (text format of `monitoring_config.proto`).

    Raises:
      ServingError: If it cannot be read or does not parse.
    """
    from serving.text_config import metrics_path

    return _parsed(path, "monitoring config", metrics_path)


def read_ssl_config(path: Path) -> Tls:
    """Read an `--ssl-config-file` (text format of `ssl_config.proto`), which holds the PEM texts.

    Python's TLS reads files only: they are put into a folder of this user's that goes with the
    process.

    Raises:
      ServingError: If it cannot be read, does not parse or lacks key or certificate.
    """
    from serving.text_config import ssl_config

    key, certificate, client_ca = _parsed(path, "SSL config", ssl_config)
    folder = Path(tempfile.mkdtemp(prefix="serving-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, text in (("key", key), ("certificate", certificate), ("client_ca", client_ca)):
        (folder / name).write_text(text, encoding="utf-8")
    return Tls(folder / "key", folder / "certificate", folder / "client_ca" if client_ca else None)


def _parsed(path: Path, what: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(_text(path, what))
    except ValueError as error:
        shown = " ".join(str(error).split())
        raise ServingError(f"Error parsing text-format {what} file {path}: {shown}") from None


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"cannot read the {what} file {path}: {error}") from error
