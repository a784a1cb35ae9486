"""The command `tensorboard` with the real TensorBoard: it answers, and says what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from pipeline.history import show
from trainer.errors import UserError


def start(folder, port):
    program = "import sys; from pipeline.cli import main; sys.exit(main())"
    command = ["tensorboard", "digits_cgan", "--port", str(port), "--output-dir", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-c", program, *command], stderr=subprocess.PIPE, text=True
    )


def test_it_shows_each_training_until_interrupted(tmp_path):
    for part in ("artifacts/Trainer/model_run/6", "checkpoints/abc/run"):
        writer = EventFileWriter(str(tmp_path / part / "tensorboard"))
        value = Summary.Value(tag="loss", simple_value=0.5)
        writer.add_event(Event(step=1, wall_time=1.0, summary=Summary(value=[value])))
        writer.close()
    process = start(tmp_path, 0)
    try:
        assert process.stderr.readline() == "starting TensorBoard (some seconds)\n"
        told = process.stderr.readline()
        url = re.fullmatch(r"trainings: 2, at (http://\S+), Ctrl-C ends it\n", told)[1]
        with urllib.request.urlopen(f"{url}data/runs", timeout=30) as answer:
            assert isinstance(json.load(answer), list)
        port = int(url.rsplit(":", 1)[1].strip("/"))
        second = start(tmp_path, port)
        assert "already in use; --port names one" in second.communicate(timeout=60)[1]
        assert second.returncode == 2
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()


def test_without_a_training_it_says_so(tmp_path):
    with pytest.raises(UserError, match="no training of 'digits_cgan' has begun"):
        show.tensorboard("digits_cgan", 6006, str(tmp_path))
