"""Finds or makes the prepared TFDS folder of a data set; every reader starts here."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.datasets.base import DatasetSpec
from trainer.errors import UserError
from trainer.progress import Progress

CONNECT_TIMEOUT_S = 10
MEGABYTE = 1_000_000

EMPTY = "No examples were yielded"
"""How tensorflow-datasets words that a split would have no record."""


def builder(spec: DatasetSpec, data_dir: str | os.PathLike[str]) -> Any:
    """Return the TFDS builder of a data set, prepared or not.

    Args:
      spec: The data set.
      data_dir: Folder that holds (or will hold) `<name>[/<config>]/<version>`.

    Returns:
      A `tfds.core.DatasetBuilder`; nothing is read but the folder's metadata.

    Raises:
      UserError: The installed tensorflow-datasets cannot read this version, or the folder may
        not be read.
    """
    import tensorflow_datasets as tfds

    where = os.fspath(data_dir)
    if "://" not in where:
        where = os.fspath(Path(where).expanduser().absolute())
    try:
        if ":" in spec.builder:
            module, _, name = spec.builder.partition(":")
            cls = getattr(importlib.import_module(module), name)
        else:
            cls = tfds.builder_cls(spec.builder)
        # Builders of ours that a recipe can configure make their own configuration.
        config = cls.config_of(spec) if hasattr(cls, "config_of") else spec.config
        return cls(data_dir=where, config=config, version=spec.version)
    except AssertionError as error:
        raise UserError(
            f"dataset '{spec.name}' is read at version {spec.version}, which the installed "
            f"tensorflow-datasets {tfds.__version__} does not offer: {error}"
        ) from error
    except PermissionError as error:
        raise UserError(_forbidden(spec, where)) from error


def prepare(spec: DatasetSpec, data_dir: str | os.PathLike[str], download: bool = True) -> Any:
    """Return a builder whose records are complete on the disk, preparing them if need be.

    Safe to call twice and from several processes: TFDS writes into a folder of its own and renames
    it, so whoever comes second uses what the first one made.

    Args:
      spec: The data set.
      data_dir: Folder for prepared data; a folder prepared elsewhere is used as it is.
      download: Whether the network may be used for what is not there yet.

    Returns:
      A prepared `tfds.core.DatasetBuilder`.

    Raises:
      UserError: Not prepared and not obtainable; wrong version; damaged; folder not writable.
    """
    ready = builder(spec, data_dir)
    if not _exists(spec, ready):
        if not spec.bundled:
            _check_obtainable(spec, ready, download)
        _make(spec, ready)
        ready = builder(spec, data_dir)
    return _checked(spec, ready)


def _exists(spec: DatasetSpec, ready: Any) -> bool:
    try:
        root = ready.data_path.__class__(ready.data_dir_root)
        if root.is_dir():
            next(iter(root.iterdir()), None)  # exists() takes forbidden for absent
        return bool(ready.data_path.exists())
    except PermissionError as error:
        raise UserError(_forbidden(spec, ready.data_path)) from error


def _forbidden(spec: DatasetSpec, where: object) -> str:
    return (
        f"dataset '{spec.name}': no permission to read {where}; change its permissions, or give "
        "another data_dir"
    )


def _check_obtainable(spec: DatasetSpec, ready: Any, download: bool) -> None:
    """Fail within seconds where TFDS would retry for minutes."""
    around = ready.data_path.parent
    found = sorted(file.parent.name for file in around.glob("[0-9]*/dataset_info.json"))
    found = [version for version in found if "incomplete" not in version]
    if found:
        raise UserError(
            f"dataset '{spec.name}' is needed at version {spec.version}, but {around} holds "
            f"{', '.join(found)}; prepare {spec.version} there, or give another data_dir"
        )
    if not download:
        raise UserError(_missing(spec, ready, "downloads are switched off"))
    for url in list(ready.url_infos)[:1]:
        try:
            urllib.request.urlopen(
                urllib.request.Request(url, method="HEAD"), timeout=CONNECT_TIMEOUT_S
            ).close()
        except urllib.error.HTTPError:
            pass  # It answers; whether it has the file is the builder's business.
        except OSError as error:
            host = urllib.parse.urlsplit(url).hostname
            raise UserError(_missing(spec, ready, f"{host} cannot be reached")) from error


def _make(spec: DatasetSpec, ready: Any) -> None:
    """Let TFDS prepare the data, and turn what the machine lacks into one line."""
    import tensorflow_datasets as tfds

    target = ready.data_path
    downloads = target.__class__(ready.data_dir_root) / "downloads"
    unfinished = set(_unfinished(downloads))
    try:
        with _quiet(), _progress(spec, ready, downloads):
            ready.download_and_prepare(
                download_dir=os.fspath(downloads),
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except AssertionError as error:
        if EMPTY not in str(error):
            raise
        raise UserError(
            f"dataset '{spec.name}' cannot be prepared: {str(error).splitlines()[0]} Put records "
            "into that split, or take it away"
        ) from error
    except _machine_errors() as error:
        if target.exists():
            return  # Another process was quicker; its data are the same.
        raise UserError(_failed(spec, target, error)) from error
    finally:
        for part in set(_unfinished(downloads)) - unfinished:
            part.rmtree(missing_ok=True)
        root = target.__class__(ready.data_dir_root)
        inner = [folder for folder in target.parents if root in folder.parents]
        for empty in (downloads / spec.name, downloads / "extracted", downloads, *inner):
            with contextlib.suppress(OSError, ValueError):  # epath's word for "not empty"
                empty.rmdir()


def _unfinished(downloads: Any) -> list[Any]:
    """Folders of TFDS in which a file has not fully and rightly arrived."""
    return [*downloads.glob("*.tmp.*"), *downloads.glob("*/*.tmp.*")]


def _failed(spec: DatasetSpec, target: Any, error: Exception) -> str:
    from tensorflow_datasets.core.download import download_manager

    if isinstance(error, download_manager.NonMatchingChecksumError):
        url = str(error).removeprefix("Artifact ").partition(",")[0]
        return (
            f"dataset '{spec.name}': {url} did not deliver the bytes that tensorflow-datasets "
            f"expects (wrong checksum), so nothing was prepared; try again, or give a data_dir "
            f"that holds {spec.folder}/ already"
        )
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return (
        f"dataset '{spec.name}' could not be prepared in {target} ({reason}); give a data_dir "
        f"that can be written to, or one that holds {spec.folder}/ already"
    )


def _machine_errors() -> tuple[type[Exception], ...]:
    """What a full disk or an unreachable or changed host raises; requests' errors are OSErrors."""
    from tensorflow_datasets.core.download import download_manager, util

    return (OSError, util.DownloadError, download_manager.NonMatchingChecksumError)


def _checked(spec: DatasetSpec, ready: Any) -> Any:
    """Refuse a folder whose metadata or record files are not all there."""
    splits = ready.info.splits
    files = [file.filename for name in splits for file in splits[name].file_instructions]
    here = ready.data_path
    gone = [name for name in files if not (here / Path(name).name).exists()]
    if not files or gone:
        what = f"{Path(gone[0]).name} is missing" if gone else "it lists no records"
        raise UserError(
            f"dataset '{spec.name}': the prepared folder {ready.data_path} is damaged ({what}); "
            f"remove it, or give another data_dir"
        )
    return ready


def _missing(spec: DatasetSpec, ready: Any, why: str) -> str:
    return (
        f"dataset '{spec.name}' is not in {ready.data_path} and {why}; give a data_dir that holds "
        f"{spec.folder}/, prepared by tensorflow-datasets on a machine with a network"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the console to ourselves: TFDS prints a banner and draws nested bars."""
    from tensorflow_datasets.core.utils import tqdm_utils

    tqdm_utils.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _progress(spec: DatasetSpec, ready: Any, downloads: Any) -> Iterator[None]:
    """Show how much has arrived; builders of ours count their own images."""
    if spec.bundled:
        yield
        return
    stop = threading.Event()
    whole = max(1, sum(info.size for info in ready.url_infos.values()) // MEGABYTE)

    def watch() -> None:
        with Progress(f"downloading and preparing {spec.name}", whole, "MB") as progress:
            seen = 0
            while not stop.wait(1.0):
                here = min(whole, _size(downloads) // MEGABYTE)
                progress.update(max(0, here - seen))
                seen = max(seen, here)
            progress.update(whole - seen)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _size(folder: Any) -> int:
    """Bytes of the files below a folder, some of which may vanish meanwhile."""
    total = 0
    with contextlib.suppress(OSError):
        for path in Path(folder).rglob("*"):
            total += path.stat().st_size if path.is_file() else 0
    return total
