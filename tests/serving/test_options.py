"""What a server can be told: files in TensorFlow Serving's text formats, and their mistakes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from serving import options
from serving.client import Client
from serving.errors import ServingError
from serving.model_server import serve_folder
from serving.options import METRICS_PATH, Batching
from serving.server import main


def test_batching_parameters_have_tensorflow_servings_form(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size: { value: 32 }, batch_timeout_micros { value: 1000 }\n"
        "max_enqueued_batches { value: 100 } num_batch_threads { value: 4 }\n"
        "allowed_batch_sizes: 8 allowed_batch_sizes: 32 thread_pool_name { value: 'x' }\n"
        "pad_variable_length_inputs: false"
    )
    assert options.read_batching(file) == Batching(32, 1000, 100, 4, (8, 32))
    file.write_text(
        "max_batch_size { value: 64 } enable_large_batch_splitting { value: true }\n"
        "max_execution_batch_size { value: 16 } allowed_batch_sizes: 4 allowed_batch_sizes: 16"
    )
    assert options.read_batching(file).largest == 16
    file.write_text("")
    assert options.read_batching(file) == Batching(1000, 0, 10)
    assert Batching().largest == 1000


def test_monitoring_may_move_or_end(tmp_path):
    file = tmp_path / "monitoring.config"
    for text, path in {
        "prometheus_config { enable: true }": METRICS_PATH,
        "prometheus_config: { enable: true, path: '/m' }": "/m",
        "prometheus_config { enable: false }": None,
        "": None,
    }.items():
        file.write_text(text)
        assert options.read_metrics_path(file) == path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch: 1", "Error parsing text-format batching parameters file"),
        ("pad_variable_length_inputs: true", "pad_variable_length_inputs is not supported"),
        ("max_batch_size { value: 0 }", "batching: max_batch_size is 0; at least 1"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros is -1; at least 0"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "must grow and end with max_batch_size, 8",
        ),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 4 } allowed_batch_sizes: 8",
            "must grow and end with max_execution_batch_size, 4",
        ),
        (
            "max_batch_size { value: 8 } max_execution_batch_size { value: 9 }",
            "max_execution_batch_size is 9; at most max_batch_size, 8",
        ),
    ],
)
def test_mistakes_in_files_are_one_line(tmp_path, text, words):
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ServingError) as refused:
        options.read_batching(file)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_mistakes_in_flags_are_one_line_and_exit_code_two(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    for given, words in {
        (f"--batching-parameters-file={empty}",): "--batching-parameters-file needs",
        ("--enable-batching", f"--batching-parameters-file={tmp_path}/no"): "cannot read the",
        (f"--tls-cert={empty}",): "TLS needs both --tls-cert and --tls-key",
        (f"--tls-cert={tmp_path}/no", f"--tls-key={empty}"): "no such TLS file",
        (f"--token-file={empty}",): f"{empty} must hold one token",
        (f"--token-file={tmp_path}/no",): "cannot read the token file",
    }.items():
        result = CliRunner().invoke(main, [f"--model-base-path={tmp_path}", *given])
        assert result.exit_code == 2, given
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: {words}"), line


def test_an_ssl_config_file_holds_the_pem_texts(tmp_path, tls, generator_dir, push):
    def quoted(path):
        return json.dumps(path.read_text())

    file = tmp_path / "ssl.config"
    both = f"server_key: {quoted(tls.key)} server_cert: {quoted(tls.certificate)}"
    file.write_text(both)
    found = options.read_ssl_config(file)
    assert found.key.read_text() == tls.key.read_text() and found.client_ca is None
    assert found.key.parent.stat().st_mode & 0o777 == 0o700
    push(generator_dir, tmp_path / "digits", 1)
    with serve_folder("digits", tmp_path / "digits", port=0, tls=found) as server:
        asked = Client(server.target, "digits", ca=tls.certificate)
        assert asked.status()[0].state == "AVAILABLE"
    file.write_text(f"{both} client_verify: true custom_ca: {quoted(tls.certificate)}")
    assert options.read_ssl_config(file).client_ca is not None
    for text, words in {
        "": "server_key and server_cert are needed",
        f"{both} client_verify: true": "client_verify needs custom_ca",
        "key: 1": "Error parsing text-format SSL config file",
    }.items():
        file.write_text(text)
        with pytest.raises(ServingError, match=words):
            options.read_ssl_config(file)
    told = CliRunner().invoke(main, ["--ssl-config-file", str(file), "--tls-key", str(tls.key)])
    assert "say the same twice" in str(told.exception) + told.output
