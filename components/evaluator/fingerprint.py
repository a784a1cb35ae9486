"""The fingerprint of a model: which bytes were judged, wherever they lie."""

from __future__ import annotations

import hashlib
import posixpath

import tensorflow as tf

CHUNK = 1 << 20


def folder_fingerprint(path: str) -> str:
    """Return the SHA-256 over names and contents of all files below a folder, or of one file.

    Args:
      path: On any file system that TensorFlow knows; a path that is gone counts as empty.
    """
    whole = hashlib.sha256()
    if tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path):
        return _content(path).hex()
    files = [
        posixpath.join(folder, name)
        for folder, _, names in tf.io.gfile.walk(path)
        for name in names
    ]
    for file in sorted(files):
        whole.update(file[len(path) :].lstrip("/").encode() + b"\0")
        whole.update(_content(file))
    return whole.hexdigest()


def _content(path: str) -> bytes:
    found = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.digest()
