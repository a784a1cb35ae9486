"""A real download through tensorflow-datasets, from a server on this machine's loopback."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from components.datasets.base import DatasetSpec
from components.datasets.prepare import prepare
from pipeline.cli import cli
from trainer.errors import UserError

BUILDER = '''
import tensorflow_datasets.public_api as tfds
from PIL import Image

class TinySet(tfds.core.GeneratorBasedBuilder):
    """Three pictures from a zip file on a server."""

    name = "tiny_set"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(4, 4, 1)),
                    "label": tfds.features.ClassLabel(names=["a", "b", "c"])}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        folder = dl_manager.download_and_extract("URL")
        return {"train": self._generate_examples(folder)}

    def _generate_examples(self, folder):
        for label, file in enumerate(sorted(folder.glob("*.png"))):
            yield label, {"image": file.read_bytes(), "label": label}
'''


@functools.cache
def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for shade in range(3):
            picture = io.BytesIO()
            Image.new("L", (4, 4), 80 * shade).save(picture, format="PNG")
            file.writestr(f"{shade}.png", picture.getvalue())
    return buffer.getvalue()


class _Files(http.server.BaseHTTPRequestHandler):
    """Serves `server.content`; a shorter `server.sent` breaks the connection off early."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()

    def do_GET(self):
        self.server.asked += 1
        self.do_HEAD()
        self.wfile.write(self.server.content[: self.server.sent])

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def tiny(server, tmp_path_factory):
    """A builder with its checksum file, as the official ones have it."""
    content = archive()
    url = f"http://127.0.0.1:{server.server_port}/tiny.zip"
    root = tmp_path_factory.mktemp("code")
    code = root / "tiny_from_loopback"
    code.mkdir()
    (code / "__init__.py").write_text("")
    (code / "builder.py").write_text(BUILDER.replace("URL", url))
    digest = hashlib.sha256(content).hexdigest()
    (code / "checksums.tsv").write_text(f"{url}\t{len(content)}\t{digest}\ttiny.zip\n")
    spec = DatasetSpec(
        name="tiny_set",
        builder="tiny_from_loopback.builder:TinySet",
        version="1.0.0",
        image_shape=(4, 4, 1),
        splits={"train": 3},
        licence="none",
        origin="loopback",
        label_names=("a", "b", "c"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        yield spec


@pytest.fixture(autouse=True)
def _whole(server):
    server.content, server.sent, server.asked = archive(), None, 0


def test_bytes_arrive_and_are_not_fetched_twice(tiny, server, tmp_path, capfd):
    ready = prepare(tiny, tmp_path / "d")
    rows = list(ready.as_dataset("train").as_numpy_iterator())
    assert sorted((int(r["label"]), int(r["image"].max())) for r in rows) == [
        (0, 0),
        (1, 80),
        (2, 160),
    ]
    assert server.asked == 1
    assert "downloading and preparing tiny_set" in capfd.readouterr().err
    prepare(tiny, tmp_path / "d", download=False)
    assert server.asked == 1


@pytest.mark.parametrize("how", ["other bytes", "cut off"])
def test_wrong_bytes_are_one_line_and_leave_nothing_prepared(how, tiny, server, tmp_path):
    if how == "other bytes":
        server.content = server.content[:-1] + b"!"
    else:
        server.sent = len(server.content) // 2
    with pytest.raises(UserError) as caught:
        prepare(tiny, tmp_path / "d")
    url = f"http://127.0.0.1:{server.server_port}/tiny.zip"
    line = {
        "other bytes": f"{url} did not deliver the bytes that tensorflow-datasets expects (wrong "
        "checksum), so nothing was prepared; try again, or give a data_dir that holds "
        "tiny_set/1.0.0/ already",
        "cut off": "Connection broken: IncompleteRead",
    }
    assert str(caught.value).startswith("dataset 'tiny_set'")
    assert line[how] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "d").rglob("*")) == []
    server.content, server.sent = archive(), None
    assert prepare(tiny, tmp_path / "d").info.splits["train"].num_examples == 3


def test_the_official_checksum_of_mnist_refuses_other_bytes(server, tmp_path, monkeypatch):
    """The real builder, its addresses turned to the loopback and its checksums kept."""
    import tensorflow_datasets as tfds

    server.content, server.sent, server.asked = b"not the digits", None, 0
    mnist = tfds.builder_cls("mnist")
    own = f"http://127.0.0.1:{server.server_port}/"
    official = {Path(url).name: info for url, info in mnist.url_infos.items()}
    monkeypatch.setattr(mnist, "URL", own)
    monkeypatch.setattr(mnist, "url_infos", {own + name: i for name, i in official.items()})
    from components import datasets

    with pytest.raises(UserError, match=rf"mnist': {own}.*-ubyte.gz did not deliver .* checksum"):
        prepare(datasets.get("mnist"), tmp_path)
    assert server.asked >= 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_killed_preparation_is_never_taken_for_complete(tmp_path):
    """SIGKILL while scenes are rendered: the rest is not read, and the same command begins anew."""
    code = "from pipeline.cli import main; main()"
    given = ["data", "prepare", "scenes", "--data-dir", str(tmp_path), "--size"]
    command = [sys.executable, "-c", code, *given, "100000"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while not list(tmp_path.glob("scenes/*/*incomplete*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (config,) = (tmp_path / "scenes").iterdir()
    assert "incomplete" in "".join(path.name for path in config.iterdir())
    assert not (config / "1.0.0").exists()
    # The same rest, in the folder of a set small enough to be made here.
    config.rename(tmp_path / "scenes" / "size32-seed20")
    cli.main([*given, "32"], standalone_mode=False)
    ready = tmp_path / "scenes" / "size32-seed20" / "1.0.0"
    assert len(list(ready.glob("*.tfrecord*"))) == 2
