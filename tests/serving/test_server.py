"""The server as a process: ready line, graceful end, refusals, nothing of TFX."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.client import Client
from serving.errors import RequestError
from serving.server import main
from serving.warmup import WARMUP_FILE

COMMAND = [sys.executable, "-m", "serving.server"]


def test_sigterm_lets_a_request_finish_and_ends_with_zero(tmp_path, kit_dir, push):
    push(kit_dir, tmp_path / "kit", 4)
    command = [*COMMAND, "--model_name=kit", f"--model_base_path={tmp_path / 'kit'}", "--port=0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = child.stdout.readline().split()
        assert line[:5] == ["serving", "kit", "version", "4", "on"]
        with Client(line[5], "kit") as client:
            two = np.array([1.0], np.float32)
            assert client.predict("two", {"a": two, "b": two}).outputs["sum"].tolist() == [2.0]
            answers = []
            rounds = {"rounds": np.array([10_000], np.int32)}
            late = threading.Thread(
                target=lambda: answers.append(client.predict("slow", rounds).version)
            )
            late.start()
            wait_until_running(client)
            child.send_signal(signal.SIGTERM)
            late.join(timeout=30)
            assert answers == [4]
        assert child.wait(timeout=10) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_sigterm_while_models_load_ends_at_once(tmp_path, kit_dir, push):
    """A warm-up that takes for ever; not even the port is open yet."""
    base = tmp_path / "kit"
    version = push(kit_dir, base, 1)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "slow"
    request.inputs["rounds"].CopyFrom(tf.make_tensor_proto([2**31 - 1]))
    log = prediction_log_pb2.PredictionLog(predict_log={"request": request})
    (version / WARMUP_FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(version / WARMUP_FILE)) as writer:
        writer.write(log.SerializeToString())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*COMMAND, "--model-name=kit", f"--model-base-path={base}", f"--port={port}"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        while "loading version 1" not in child.stderr.readline():
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0
        assert "nothing is served yet" in child.stderr.read()
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def test_a_request_that_outlasts_the_grace_does_not_hold_the_process(tmp_path, kit_dir, push):
    push(kit_dir, tmp_path / "kit", 1)
    command = [*COMMAND, "--model-name=kit", f"--model-base-path={tmp_path / 'kit'}", "--port=0"]
    child = subprocess.Popen(
        [*command, "--grace-seconds=0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with Client(child.stdout.readline().split()[5], "kit", timeout_s=60) as client:
            wait_until_running(client)
            endless = {"rounds": np.array([2**31 - 1], np.int32)}
            faults = []

            def ask():
                try:
                    client.predict("slow", endless)
                except RequestError as error:
                    faults.append(error.code)

            asking = threading.Thread(target=ask)
            asking.start()
            wait_until_running(client)
            child.send_signal(signal.SIGTERM)
            assert child.wait(timeout=10) == 0
            asking.join(timeout=30)
            assert faults and faults[0] in ("UNAVAILABLE", "CANCELLED")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def wait_until_running(client: Client) -> None:
    """A request sent after the slow one was answered, so the slow one has arrived."""
    one = np.array([1.0], np.float32)
    for _ in range(5):
        client.predict("two", {"a": one, "b": one})


def test_the_server_starts_without_tfx_and_reloads_in_a_fresh_process(tmp_path, generator_dir):
    shutil.copytree(generator_dir, tmp_path / "m" / "1")
    code = f"""
import sys
for name in ("tfx", "apache_beam", "ml_metadata", "tensorflow_transform"):
    sys.modules[name] = None
from serving.model_server import serve_folder
from serving.client import Client
with serve_folder("m", {str(tmp_path / "m")!r}, port=0) as server, \\
        Client(server.target, "m") as client:
    print(client.generate([1, 2], [3, 4]).images.sum())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    from serving.model_server import serve_folder

    with serve_folder("m", tmp_path / "m", port=0) as server:
        client = Client(server.target, "m")
        assert int(out.stdout) == client.generate([1, 2], [3, 4]).images.sum()
        client.close()


def test_usage_mistakes_are_one_line_and_exit_code_two(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        junk = tmp_path / "models.config"
        junk.write_text("nonsense")
        folder = f"--model-base-path={tmp_path}"
        for given, words in {
            (): "give either --model-base-path or --model-config-file",
            (f"--model-base-path={tmp_path}/no",): "the base path is no directory",
            (f"--model-config-file={tmp_path}/no",): "no such model config file",
            (f"--model-config-file={junk}", "--port=0"): "Error parsing text-format",
            (folder, f"--port={port}"): f"cannot listen on 127.0.0.1:{port}",
            (folder, "--host=no.such.invalid", "--port=0"): "cannot listen on no.such.invalid:0:",
        }.items():
            result = CliRunner().invoke(main, list(given))
            assert result.exit_code == 2
            (line,) = result.stderr.splitlines()
            assert line.startswith(f"error: {words}"), line


def test_stopping_closes_the_port(tmp_path, generator_dir):
    from serving.model_server import serve_folder

    shutil.copytree(generator_dir, tmp_path / "m" / "1")
    server = serve_folder("m", tmp_path / "m", port=0).start()
    client = Client(server.target, "m", timeout_s=5)
    assert client.generate([1], [1]).version == 1
    server.stop(0.1)
    with pytest.raises(RequestError):
        client.generate([1], [1])
    client.close()
