"""Where ML Metadata is: one address in, the connection's configuration out."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from trainer.errors import UserError

PASSWORD = "GENVISION_METADATA_PASSWORD"
"""Environment variable, filled from a secret, with the password of a MySQL user."""

RETRIES = 10
TIMEOUT_S = 60.0


def connect(address: str) -> pb.ConnectionConfig | pb.MetadataStoreClientConfig:
    """Read an address of ML Metadata; nothing is contacted or created.

    Args:
      address: `grpc://host:port`, `mysql://user@host:port/database` (its password in `PASSWORD`)
        or `sqlite:///absolute/path`.

    Raises:
      UserError: It is none of these.
    """
    url = urlsplit(address)
    try:
        if url.scheme == "grpc" and url.hostname and url.port and not url.path.strip("/"):
            return pb.MetadataStoreClientConfig(
                host=url.hostname, port=url.port, client_timeout_sec=TIMEOUT_S
            )
        if url.scheme == "mysql" and url.hostname and url.username and url.path.strip("/"):
            return _mysql(url)
        if url.scheme == "sqlite" and not url.netloc and len(url.path) > 1:
            return _sqlite(url.path)
    except ValueError:  # a port that is no number
        pass
    raise UserError(
        f"metadata address '{address}' cannot be read: write grpc://host:port, "
        "mysql://user@host:port/database or sqlite:///absolute/path"
    )


def open_store(address: str) -> MetadataStore:
    """Connect to ML Metadata; the folder of a SQLite file is made.

    Raises:
      UserError: The address cannot be read, or nobody answers there.
    """
    config = connect(address)
    try:
        if isinstance(config, pb.ConnectionConfig) and config.HasField("sqlite"):
            Path(config.sqlite.filename_uri).parent.mkdir(parents=True, exist_ok=True)
        store = MetadataStore(config)
        # A gRPC channel connects when it is used; better to know now than after TFX is loaded.
        store.get_context_type("node")
    except errors.NotFoundError:
        pass  # the first run of all
    except (errors.StatusError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"no ML Metadata at '{address}' ({reason}): start it, or give the run another address "
            "by its parameter 'metadata'"
        ) from None
    return store


def _mysql(url: SplitResult) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    config.mysql.host = url.hostname or ""
    config.mysql.port = url.port or 3306
    config.mysql.database = url.path.strip("/")
    config.mysql.user = url.username or ""
    config.mysql.password = os.environ.get(PASSWORD, "")
    config.retry_options.max_num_retries = RETRIES
    return config


def _sqlite(path: str) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    # Nodes that run side by side meet in one file: whoever finds it locked tries again.
    config.retry_options.max_num_retries = RETRIES
    return config
