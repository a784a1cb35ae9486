"""Labels move only to versions that answer; rollback under load loses no request."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving import config
from serving.admin import Admin
from serving.client import Client
from serving.config_watch import ConfigWatch
from serving.deployment import Destination
from serving.errors import ServingError
from serving.model_server import ModelServer
from serving.release import Release

MODEL = "digits"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def to(tmp_path, generator_dir, push) -> Destination:
    """A destination with the versions 1, 2 and 3, and a config that follows the newest."""
    for version in (1, 2, 3):
        push(generator_dir, tmp_path / MODEL, version)
    destination = Destination.of(MODEL, tmp_path / MODEL)
    destination.write({})
    return destination


@pytest.fixture
def server(to):
    """A server that follows the destination's config file."""
    with ModelServer(config.read(to.file), port=0, poll_s=0.05) as running:
        watch = ConfigWatch(running.core, to.file, 0.05)
        watch.start()
        yield running
        watch.stop()


@pytest.fixture
def release(to, server):
    with Admin(server.target, MODEL, wait_s=20) as admin:
        yield Release(to, admin, scores=lambda version: {"fid": version / 2})


def test_promote_keeps_the_version_before_and_rollback_returns_to_it(release, to):
    assert "stable is version 1 (the first)" in release.promote(1, "first")
    assert "stable is version 3 (was 1)" in release.promote(3, "better")
    assert to.labels() == {"stable": 3, "previous": 1}
    assert release.server.available() == [3, 1]
    assert release.server.labelled("stable") == 3
    assert "stable is version 1 again (was 3)" in release.rollback("red digits")
    assert to.labels() == {"stable": 1}
    assert release.server.labelled("stable") == 1
    with pytest.raises(ServingError, match="no version to go back to"):
        release.rollback("again")
    lines = to.history()
    assert [(x["action"], x["version"], x["why"]) for x in lines] == [
        ("promote", 1, "first"),
        ("promote", 3, "better"),
        ("rollback", 1, "red digits"),
    ]
    assert lines[1]["scores"] == {"fid": 1.5} and lines[1]["previous"] == 1
    assert "@" in lines[0]["who"] and lines[0]["time"].endswith("+00:00")
    assert lines[0]["server"] == release.server.target


def test_rollbacks_go_back_one_promotion_each(release, to):
    for version in (1, 2, 3):
        release.promote(version, "")
    release.rollback("")
    assert to.labels() == {"stable": 2, "previous": 1}
    release.rollback("")
    assert to.labels() == {"stable": 1}
    release.promote(3, "")
    release.rollback("")
    assert to.labels() == {"stable": 1}


def test_a_version_that_does_not_load_gets_no_label(release, to):
    release.promote(1, "")
    text = to.text()
    (to.base / "4").mkdir()
    (to.base / "4" / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(ServingError, match=r"nothing was changed: .* cannot load version 4") as no:
        release.promote(4, "")
    assert "Does the server follow" not in str(no.value)
    with pytest.raises(ServingError, match=r"no version 9 of 'digits' in .*: 4, 3, 2, 1"):
        release.promote(9, "")
    assert to.text() == text and len(to.history()) == 1
    assert release.server.labelled("stable") == 1


def test_a_server_that_does_not_follow_the_file_is_an_error_and_changes_nothing(
    to, generator_dir, push, tmp_path
):
    push(generator_dir, tmp_path / "other" / MODEL, 7)
    with (
        ModelServer(config.single(MODEL, tmp_path / "other" / MODEL), port=0) as deaf,
        Admin(deaf.target, MODEL, wait_s=0.3) as admin,
        pytest.raises(ServingError, match=r"Does the server follow .*models\.config"),
    ):
        Release(to, admin).promote(2, "")
    assert to.labels() == {} and to.history() == []


def test_a_pin_holds_until_it_is_released_and_a_rollback_releases_it(release, to):
    release.promote(1, "")
    release.pin(2, "demo")
    assert to.labels() == {"stable": 2, "pinned": 2, "previous": 1}
    for refused in (release.promote, release.set_canary):
        with pytest.raises(ServingError, match=r"pinned to version 2 by .*@.*: demo; .* --off"):
            refused(3, "")
    release.unpin("over")
    release.promote(3, "")
    release.pin(3, "")
    release.rollback("")
    assert to.labels() == {"stable": 2, "previous": 1}


def test_a_canary_needs_a_stable_version_and_is_used_up_by_promotion(release, to):
    with pytest.raises(ServingError, match="no version is stable yet"):
        release.set_canary(2, "")
    release.promote(1, "")
    release.set_canary(2, "try")
    assert release.server.labelled("canary") == 2
    release.drop_canary("slow")
    assert to.labels() == {"stable": 1}
    release.set_canary(2, "again")
    release.promote(2, "good")
    assert to.labels() == {"stable": 2, "previous": 1}


def test_only_its_own_check_takes_a_canary_away(release, to):
    release.promote(1, "")
    release.set_canary(2, "")
    release.set_canary(2, "its check was killed: once more")
    with pytest.raises(
        ServingError, match=r"version 2 is the canary of .* already: .*canary --off"
    ):
        release.set_canary(3, "")
    with pytest.raises(ServingError, match="the canary of 'digits' is 2, not 3"):
        release.drop_canary("slow", 3)
    assert to.labels() == {"stable": 1, "canary": 2}
    assert release.drop_canary("slow") == "'digits': version 2 is no longer the canary"
    with pytest.raises(ServingError, match="'digits' has no canary"):
        release.drop_canary("slow")


def test_a_pin_ends_a_trial(release, to):
    release.promote(1, "")
    release.set_canary(2, "")
    said = release.pin(1, "demo")
    assert said.endswith("(was already); version 2 is no longer the canary")
    assert to.labels() == {"stable": 1, "pinned": 1}
    last = to.history()[-1]
    assert (last["action"], last["version"]) == ("drop canary", 2)
    assert last["why"] == "version 1 is pinned"


def test_labels_that_the_server_refused_do_not_stand_in_the_way(release, to, server):
    """Written unchecked, a label on a version that is not loaded stops this server's reloads."""
    release.promote(1, "")
    release.promote(3, "")
    Release(to, None).promote(2, "")
    assert to.labels() == {"stable": 2, "previous": 3}
    stop, lost = threading.Event(), []

    def ask():
        with Client(server.target, MODEL) as client:
            while not stop.is_set():
                try:
                    client.generate([1], [3], version="stable")
                except ServingError as error:
                    lost.append(error)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask)
        time.sleep(0.3)
        try:
            release.promote(1, "")
        finally:
            stop.set()
    assert lost == []
    assert to.labels() == {"stable": 1, "previous": 2}
    assert release.server.labelled("stable") == 1


def test_a_lost_version_loses_its_label(release, to):
    release.promote(1, "")
    release.promote(2, "")
    shutil.rmtree(to.base / "2")
    text, lost = to.text(), r"stable is version 2 of 'digits', whose folder is gone .*rollback"
    with pytest.raises(ServingError, match=lost):
        release.set_canary(3, "")
    to.write(to.labels() | {"pinned": 2})
    with pytest.raises(ServingError, match=lost):
        release.unpin("")
    to.restore(text)
    said = release.promote(3, "")
    assert said.endswith(
        "is version 3 (was 2); version 2 is gone or does not load: no longer previous"
    )
    assert to.labels() == {"stable": 3}


def test_a_version_that_only_the_server_has_is_not_lost(release, to, tmp_path):
    """The server reads a volume of its own; here the old folders were cleared away."""
    release.promote(1, "")
    here = tmp_path / "here" / MODEL
    for version in (2, 3):
        shutil.copytree(to.base / str(version), here / str(version))
    partial = Destination.of(MODEL, here, to.file)
    assert partial.elsewhere() and not to.elsewhere()
    Release(partial, release.server).promote(2, "")
    assert to.labels() == {"stable": 2, "previous": 1}
    Release(partial, None).promote(3, "")
    Release(partial, None).promote(2, "")
    assert to.labels() == {"stable": 2, "previous": 3}


def test_a_version_that_the_server_failed_to_load_loses_its_label(release, to):
    release.promote(1, "")
    (to.base / "4").mkdir()
    (to.base / "4" / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(ServingError, match="cannot load version 4"):
        release.promote(4, "")
    to.write(to.labels() | {"previous": 4}, [1])
    assert release.promote(2, "").endswith("is version 2 (was 1)")
    to.write(to.labels() | {"previous": 4}, [1, 2])
    assert "version 4 is gone or does not load: no longer previous" in release.pin(2, "")
    assert to.labels() == {"stable": 2, "pinned": 2}


def test_prune_spares_what_answers(release, to):
    """Nothing is promoted and the newest version is broken: the one before it answers."""
    (to.base / "4").mkdir()
    (to.base / "4" / "saved_model.pb").write_bytes(b"junk")
    while 4 not in release.server.states():
        time.sleep(0.02)
    release.server._await(lambda: "" if release.server.available() == [3] else "loading")
    with to.locked():
        assert release.prune(1, "", dry_run=True) == [2, 1], "only looking needs no lock"
    assert release.prune(1, "") == [2, 1]
    assert list(to.versions()) == [4, 3]
    with Admin(release.server.target, "other") as other:
        there = Release(Destination.of("other", to.base), other)
        with pytest.raises(ServingError, match=r"answers with no version of 'other'.*--no-server"):
            there.prune(1, "")


def test_prune_spares_labels_newest_and_unfinished_pushes(to):
    release = Release(to, None)
    release.promote(1, "")
    (to.base / "0").mkdir()
    assert release.prune(1, "", dry_run=True) == [2]
    assert release.prune(1, "disk") == [2]
    assert sorted(p.name for p in to.base.iterdir() if p.is_dir()) == ["0", "1", "3"]
    assert to.history()[-1]["action"] == "prune" and to.history()[-1]["version"] == 2


def test_other_models_in_the_file_and_the_servers_own_path_are_kept(to):
    other = 'config { name: "other" base_path: "/models/other" model_platform: "tensorflow" }'
    to.restore(f"model_config_list {{ {other} }}")
    seen = Destination.of(MODEL, to.base, to.file, "/models/digits")
    Release(seen, None).promote(2, "")
    Release(to, None).promote(3, "")
    models = config.validated(config.text_format.Parse(to.text(), config.ModelServerConfig()))
    assert str(models["other"].base_path) == "/models/other" and not models["other"].labels
    assert str(models[MODEL].base_path) == "/models/digits"
    assert list(models[MODEL].policy.specific.versions) == [2, 3]
    to.restore("model_config_list { nonsense }")
    with pytest.raises(ServingError, match=r"models\.config does not parse: .*nonsense"):
        Release(to, None).promote(2, "")
    assert to.text() == "model_config_list { nonsense }"


def test_two_commands_at_once_are_refused(to):
    with to.locked(), pytest.raises(ServingError, match="another command is changing"):
        Release(to, None).promote(1, "")


@pytest.fixture
def process(to):
    """The server as it is run: a process with --model-config-file that polls; its address."""
    command = [sys.executable, "-m", "serving.server", "--port", "0"]
    command += ["--model-config-file", str(to.file), "--file-system-poll-wait-seconds", "0.1"]
    command += ["--model-config-file-poll-wait-seconds", "0.1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as child:
        yield child.stdout.readline().split()[-1]
        child.terminate()


def test_no_request_fails_while_stable_moves_forth_and_back(to, process):
    """Five threads ask `stable` and the newest version without a pause over seven moves."""
    with Admin(process, MODEL, wait_s=20) as admin:
        move_under_load(Release(to, admin), to)


def move_under_load(release, to):
    release.promote(1, "")
    stop, lock = threading.Event(), threading.Lock()
    seen: dict[int | None, set[int]] = {"stable": set(), None: set()}
    counts, errors = [0], []

    def ask(label):
        with Client(release.server.target, MODEL) as client:
            while not stop.is_set():
                try:
                    answer = client.generate([1], [3], version=label)
                except Exception as error:
                    errors.append(error)
                    return
                with lock:
                    counts[0] += 1
                    seen[label].add(answer.version)

    with ThreadPoolExecutor(5) as pool:
        for label in ("stable", "stable", "stable", None, None):
            pool.submit(ask, label)
        try:
            for version in (2, 3):
                release.promote(version, "")
            release.rollback("")
            release.rollback("")
            release.promote(3, "")
            release.rollback("")
            time.sleep(0.2)
        finally:
            stop.set()
    assert errors == []
    assert seen["stable"] == {1, 2, 3}
    assert to.labels() == {"stable": 1}
    assert counts[0] > 200
    print(f"{counts[0]} requests")


def test_the_history_is_json_lines(to):
    Release(to, None).promote(1, 'why "not"')
    (line,) = (to.base / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["why"] == 'why "not"'
    (to.base / "history.jsonl").write_text("oops\n")
    with pytest.raises(ServingError, match="not one JSON object per line"):
        to.history()


def test_an_interrupt_restores_the_file(to):
    """Ctrl-C while the server loads: labels and policy are as before."""
    text = to.text()

    class Interrupted:
        target = "nowhere"

        def states(self):
            return {}

        def labelled(self, label):
            return None

        def await_available(self, wanted, failed):
            assert to.text() != text, "the version is asked for first"
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    # A test run in the background of a shell would ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        Release(to, Interrupted()).promote(2, "")
    signal.signal(signal.SIGINT, before)
    assert to.text() == text and to.history() == []
