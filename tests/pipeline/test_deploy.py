"""The deployment commands as typed, on a destination with three versions and a server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import click
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from pipeline import operate
from pipeline.cli import cli
from serving import config
from serving.canary import Seen, Verdict
from serving.config_watch import ConfigWatch
from serving.deployment import Destination
from serving.errors import ServingError
from serving.model_server import ModelServer, serve_folder
from trainer.errors import RunFailed, UserError

I64 = tf.TensorSpec([None], tf.int64)
ROOT = Path(__file__).parents[2]


class Shades(tf.Module):
    """Images in one shade: seed + 10 * label."""

    @tf.function(input_signature=[I64, I64])
    def generate(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        shade = tf.cast(seed + 10 * label, tf.uint8)[:, None, None, None]
        return {"image": tf.tile(shade, [1, 8, 8, 1])}

    @tf.function(input_signature=[I64, I64])
    def generate_png(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        images = self.generate(seed, label)["image"]
        png = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)
        return {"png": tf.ensure_shape(png, [None])}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder of `digits_cgan` with the versions 1, 2 and 3; 3 brings its scores."""
    output = tmp_path_factory.mktemp("output")
    model = Shades()
    signatures = {name: model.generate for name in ("serving_default", "generate")}
    signatures["generate_png"] = model.generate_png
    for version in ("1", "2", "3"):
        tf.saved_model.save(model, str(output / "serving" / "digits" / version), signatures)
    extra = output / "serving" / "digits" / "3" / "assets.extra"
    extra.mkdir()
    scores = {"fid_digits-cnn_2k": {"value": 6.25, "error": 0.1}}
    (extra / "evaluation.json").write_text(json.dumps({"scores": scores}))
    return output


@pytest.fixture(scope="module")
def place(output: Path):
    """Arguments that name the destination and a server that follows its config file."""
    base = output / "serving" / "digits"
    file = Destination.of("digits", base).followed()
    with ModelServer(config.read(file), port=0, poll_s=0.05) as server:
        watch = ConfigWatch(server.core, file, 0.05)
        watch.start()
        yield ["--output-dir", str(output), "--target", server.target]
        watch.stop()


def genvision(*args: str) -> str:
    done = CliRunner().invoke(cli, args, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


def test_a_deployment_from_first_promotion_to_prune(place: list[str], output: Path) -> None:
    assert "stable is version 1 (the first)" in genvision("versions", "promote", "1", *place)
    told = genvision(
        *("canary", "3", "--requests", "100", "--share", "0.3", "--slower", "50"),
        *("--why", "nicer sevens", *place),
    )
    assert re.search(r"^canary +30 +0 +[\d.]+ +[\d.]+$", told, re.M)
    assert told.splitlines()[-1] == "version 3 is stable"
    rows = [line.split() for line in genvision("versions", "list", *place).splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        ["3", "stable", "AVAILABLE"],
        ["2", "-", "not"],
        ["1", "previous", "AVAILABLE"],
    ]
    assert rows[1][-2:] == ["fid_digits-cnn_2k", "6.25"]
    served = genvision("models", "--target", place[-1]).splitlines()
    assert served[1].split() == ["digits", "3", "AVAILABLE", "stable"]
    assert "stable is version 1 again (was 3)" in genvision("versions", "rollback", *place)
    genvision("versions", "pin", "1", "--why", "demo day", *place)
    with pytest.raises(ServingError, match="pinned to version 1"):
        genvision("versions", "promote", "3", *place)
    genvision("versions", "pin", "--off", *place)
    args = ("versions", "prune", "--keep", "1", "--output-dir", str(output))
    assert genvision(*args, "--dry-run") == "would delete 2\n"
    assert genvision(*args) == "deleted 2\n"
    history = genvision("versions", "list", "--history", *place)
    actions = [line.split("  ")[2].strip() for line in re.sub(" {3,}", "  ", history).splitlines()]
    assert actions[1:] == ["promote", "canary", "promote", "rollback", "pin", "unpin", "prune"]
    line = json.loads((output / "serving/digits/history.jsonl").read_text().splitlines()[2])
    assert line["scores"] == {"fid_digits-cnn_2k": 6.25}


def test_a_canary_that_falls_back_is_exit_code_one(place: list[str]) -> None:
    genvision("versions", "promote", "1", *place)
    with pytest.raises(RunFailed, match=r"version 3 fell back: p50 .* allowed 0\.01"):
        genvision("canary", "3", "--requests", "100", "--share", "0.3", "--slower", "0.01", *place)


def test_a_canary_label_can_be_taken_away(place: list[str]) -> None:
    genvision("versions", "promote", "1", *place)
    fair = ("--requests", "100", "--share", "0.3", "--slower", "50")
    told = genvision("canary", "3", "--no-promote", *fair, *place)
    assert told.splitlines()[-1] == "version 3 is a good canary"
    assert genvision("canary", "--off", *place) == "'digits': version 3 is no longer the canary\n"
    with pytest.raises(ServingError, match="'digits' has no canary"):
        genvision("canary", "--off", "--no-server", *place[:2])
    for both in (("3", "--off"), ()):
        with pytest.raises(click.UsageError, match="either a VERSION to try or --off"):
            genvision("canary", *both, *place)


def test_a_verdict_that_cannot_be_carried_out_is_told(
    place: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Seen([1.0], [])
    verdict = Verdict([], ["it answers"], seen, seen, "it was not promoted: pinned")
    monkeypatch.setattr(operate, "check", lambda *_: verdict)
    where = operate.Place("digits_cgan", place[1], no_server=True)
    with pytest.raises(UserError, match="version 3 kept every rule, but it was not promoted: pin"):
        operate.try_canary(where, 3, {}, True, "")
    assert "kept    it answers" in capsys.readouterr().out


def test_prune_asks_the_server_or_the_labels(
    place: list[str], output: Path, tmp_path: Path
) -> None:
    """Nothing is promoted and the newest folder is broken: the server answers with another."""
    base = tmp_path / "serving" / "digits"
    shutil.copytree(output / "serving/digits/3", base / "8")
    shutil.copytree(output / "serving/digits/3", base / "3")
    (base / "20").mkdir()
    (base / "20" / "saved_model.pb").write_bytes(b"junk")
    args = ("versions", "prune", "--keep", "1", "--output-dir", str(tmp_path))
    with pytest.raises(UserError, match=r"no version of 'digits' has a label, .* --target .* --no"):
        genvision(*args)
    assert genvision(*args, "--dry-run", "--no-server") == "would delete 8, 3\n"
    with serve_folder("digits", base, port=0) as server:
        assert genvision(*args, "--target", server.target) == "deleted 3\n"
    assert sorted(p.name for p in base.iterdir() if p.is_dir()) == ["20", "8"]


def test_both_tables_of_versions_tell_utc(place: list[str], output: Path) -> None:
    os.utime(output / "serving/digits/3", (0, 1_767_323_045))
    listed = genvision("versions", "list", *place[:2]).splitlines()
    assert "PUSHED (UTC)" in listed[0] and "2026-01-02 03:04  " in listed[1]
    shown = genvision("versions", "list", "--json", *place[:2])
    assert json.loads(shown)[0]["pushed"] == "2026-01-02T03:04:05+00:00"
    line = {"time": "2026-01-02T03:04:05.678+00:00", "who": "a", "action": "b", "version": 1}
    assert operate.history([line | {"why": ""}]) == [
        "TIME (UTC)           WHO  ACTION  VERSION  WHY",
        "2026-01-02 03:04:05  a    b       1",
    ]


@pytest.mark.parametrize("option", ["--wait", "--slower", "--extra-errors", "--share"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_refused(option: str, value: str) -> None:
    with pytest.raises(click.BadParameter, match=r"finite number|is not in the range"):
        genvision("canary", "3", option, value)


def test_without_a_server_the_flag_is_required_and_the_command_runs_after_each_write(
    place: list[str], output: Path, tmp_path: Path
) -> None:
    file = tmp_path / "models.config"
    args = ["versions", "promote", "3", *place[:2], "--config-file", str(file)]
    with pytest.raises(UserError, match=r"--target HOST:PORT .* --no-server"):
        genvision(*args)
    assert not file.exists()
    seen = ["--seen-as", "/models/digits", "--apply", f"cp {file} {tmp_path}/applied"]
    genvision(*args, "--no-server", *seen)
    assert 'base_path: "/models/digits"' in (tmp_path / "applied").read_text()
    with pytest.raises(ServingError, match="--apply: "):
        genvision(*args, "--no-server", "--apply", "false")
    with pytest.raises(UserError, match='--apply kubectl "x: No closing quotation'):
        genvision(*args, "--no-server", "--apply", 'kubectl "x')


def test_single_files_carry_label_and_seed(place: list[str], tmp_path: Path) -> None:
    genvision("versions", "promote", "1", *place)
    args = ("--label", "3", "--label", "5", "--count", "2", "--seed", "4", "--version", "stable")
    told = genvision("generate", *args, "--out", f"{tmp_path}/new/", *place)
    assert told.startswith("4 images by 'digits' version 1: ")
    shades = {p.name: Image.open(p).getpixel((0, 0)) for p in (tmp_path / "new").iterdir()}
    assert shades == {
        "label-3-seed-4.png": 34,
        "label-3-seed-5.png": 35,
        "label-5-seed-4.png": 54,
        "label-5-seed-5.png": 55,
    }
    genvision("generate", *args, "--out", str(tmp_path / "sheet.png"), *place)
    assert Image.open(tmp_path / "sheet.png").width > 2 * 56


def test_clients_show_certificate_and_token(output: Path, tls, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret.token\n")
    guard = {"tls": tls, "token": "s3cret.token"}
    with serve_folder("digits", output / "serving" / "digits", port=0, **guard) as server:
        where = ["--target", server.target, "--ca", str(tls.certificate)]
        shown = [*where, "--token-file", str(token)]
        assert "digits  3        AVAILABLE" in genvision("models", *shown)
        assert "3        -       AVAILABLE" in genvision(
            *("versions", "list", "--output-dir", str(output)), *shown
        )
        sheet = tmp_path / "sheet.png"
        genvision("generate", "--label", "1", "--count", "4", "--out", str(sheet), *shown)
        assert sheet.stat().st_size > 0
        with pytest.raises(ServingError, match="bearer token"):
            genvision("models", *where)
    with pytest.raises(ServingError, match="--ca and --token-file go with --target"):
        genvision("generate", "--ca", str(tls.certificate))


def test_without_a_target_what_is_stable_draws(place: list[str], output: Path) -> None:
    genvision("versions", "promote", "1", *place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(output)
        told = genvision("generate", "--count", "1", "--label", "1", *place[:2])
    assert "by 'digits' version 1" in told


def test_mistakes_have_an_answer(place: list[str], tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="no version of 'digits'"):
        genvision("versions", "list", "--output-dir", str(tmp_path))
    with pytest.raises(UserError, match=r"serves none of: nobody; .* --model"):
        genvision("models", "--target", place[-1], "--model", "digits", "--model", "nobody")
    with pytest.raises(click.UsageError, match="either a VERSION to pin or --off"):
        genvision("versions", "pin", *place)
    with pytest.raises(UserError, match="--label 11"):
        genvision("batch", "--out", str(tmp_path / "x"), "--label", "11", *place[:2])
    with pytest.raises(UserError, match="no such label of 'digits'"):
        genvision("batch", "--out", str(tmp_path / "x"), "--version", "best", *place[:2])
    with pytest.raises(ServingError, match="no image"):
        genvision("batch", "--out", str(tmp_path / "x"), "--images", str(tmp_path), *place[:2])
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ServingError, match="needs the signature 'caption'"):
        genvision("batch", "--out", str(tmp_path / "x"), "--images", str(tmp_path), *place[:2])
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_terminated_batch_goes_on_where_it_was(output: Path, tmp_path: Path) -> None:
    args = ["batch", "--output-dir", str(output), "--version", "3", "--out", "out"]
    args += ["--count", "1000", "--label", "7", "--label", "1", "--chunk", "2"]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *args]
    parts = tmp_path / "out" / "parts"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 240
        while not any(parts.glob("*.jsonl")) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    made = len(list(parts.glob("*.jsonl")))
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "finished chunks are kept, the same command goes on" in said.splitlines()[-1]
    assert 0 < made < 1000
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2000 images by 'digits' version 3: out/manifest.jsonl\n"
    assert re.search(r"^generate: 2000/2000 \[", done.stderr, re.M), done.stderr
    assert len(list((tmp_path / "out/images/label-7").glob("seed-*.png"))) == 1000


def documented() -> list[str]:
    """Every command line in the code blocks of docs/serving.md."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs/serving.md").read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("line", [x for x in documented() if x.startswith("genvision ")])
def test_documented_commands_parse(line: str) -> None:
    """Names, options and types are right; nothing is run."""
    command: click.Command = cli
    args = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        command, args = command.commands[args[0]], args[1:]
    command.make_context("genvision", args)


def test_the_other_documented_commands_name_files_that_exist() -> None:
    lines = [line for line in documented() if not line.startswith("genvision ")]
    assert {shlex.split(line)[0].partition("=")[0] for line in lines} == {"kubectl", "MODELS"}
    for word in shlex.split(" ".join(lines)):
        if word.startswith("serving/"):
            assert (ROOT / word).exists(), word


def test_the_documented_life_of_a_version_happens(place: list[str], output: Path) -> None:
    """The commands of "Promote, roll back, pin, prune", in their order, on a real server."""
    for version in ("1", "2"):
        source = output / "serving/digits/3"
        if not (output / "serving/digits" / version).exists():
            shutil.copytree(source, output / "serving/digits" / version)
    genvision("versions", "promote", "1", *place)
    lines = [line for line in documented() if line.startswith("genvision versions")]
    for line in lines[: lines.index("genvision versions list --history") + 1]:
        words = shlex.split(line)[1:]
        if "--target" in words:
            words[words.index("--target") + 1] = place[-1]
        genvision(*words, *place[:2])
    history = [json.loads(x) for x in (output / "serving/digits/history.jsonl").open()]
    assert [line["action"] for line in history[-4:]] == ["promote", "rollback", "pin", "unpin"]
