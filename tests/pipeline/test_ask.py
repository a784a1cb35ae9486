"""Which version a command asks for, and what it says when that is not there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pipeline import ask, config
from pipeline.batch import _version
from serving.client import VersionStatus
from serving.deployment import Destination
from serving.errors import NotFoundError, RejectedError, ServingError
from serving.options import Address
from trainer.errors import UserError


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The versions 1 and 2 of `digits`, in an output folder of the recipe."""
    base = tmp_path / "serving" / "digits"
    for number in ("1", "2"):
        (base / number).mkdir(parents=True)
        (base / number / "saved_model.pb").touch()
    return base


def test_a_number_a_label_or_nothing_names_a_version(base: Path) -> None:
    to = Destination.of("digits", base)
    assert (ask.choose(to, None), ask.choose(to, "1")) == (2, 1)
    to.write({"stable": 1, "canary": 2})
    assert (ask.choose(to, None), ask.choose(to, "canary")) == (1, 2)
    with pytest.raises(UserError, match=r"--version best: no such label .* are: canary, stable"):
        ask.choose(to, "best")
    with pytest.raises(ServingError, match="no version 77 of 'digits'"):
        ask.choose(to, "77")


@pytest.mark.parametrize("wanted", [None, "stable"])
def test_a_label_whose_folder_is_gone_is_refused(base: Path, wanted: str | None) -> None:
    to = Destination.of("digits", base)
    to.write({"stable": 9})
    with pytest.raises(UserError, match=r"'stable' of 'digits' is version 9.* gone .*\(2, 1\)"):
        ask.choose(to, wanted)


def test_the_server_for_the_moment_serves_that_version_alone(base: Path, monkeypatch) -> None:
    seen = []

    @contextlib.contextmanager
    def server(model, base_path, config_file):
        seen.append((model, base_path, config_file.read_text()))
        yield "127.0.0.1:9"

    monkeypatch.setattr(ask, "server", server)
    recipe, output = config.load("digits_cgan"), str(base.parents[1])
    Destination.of("digits", base).write({"stable": 2})
    with contextlib.ExitStack() as stack:
        client, version = ask.reach(stack, recipe, output, None, "1")
        assert (client.target, client.model, version) == ("127.0.0.1:9", "digits", 1)
    ((model, folder, text),) = seen
    assert (model, folder) == ("digits", base)
    assert f'base_path: "{base}"' in text and "versions: 1" in text and "label" not in text
    with contextlib.ExitStack() as stack:
        client, version = ask.reach(stack, recipe, None, Address("127.0.0.1:8"), "canary")
        assert (client.target, version) == ("127.0.0.1:8", "canary")


class Served:
    """A client of a server that has version 3 with one signature."""

    model, target = "digits", "host:8500"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def metadata(self, _):
        if self.error:
            raise self.error
        return {"generate": "definition"}

    def status(self):
        return [VersionStatus(4, "END", "broken"), VersionStatus(3, "AVAILABLE", "")]


@pytest.mark.parametrize("kind", [NotFoundError, RejectedError])
def test_what_is_not_served_is_answered_with_what_is(kind) -> None:
    assert ask.signature(Served(), None, "generate") == "definition"
    with pytest.raises(UserError, match="no signature 'caption': its own are generate"):
        ask.signature(Served(), None, "caption")
    with pytest.raises(UserError) as caught:
        ask.signature(Served(kind("X", "Unrecognized label: nope")), "nope", "generate")
    assert str(caught.value) == (
        "Unrecognized label: nope; served there: version 3; "
        "genvision models --target host:8500 --model digits tells their labels"
    )


def test_a_batch_goes_on_with_its_version_after_a_push(base: Path, tmp_path: Path) -> None:
    to, out = Destination.of("digits", base), tmp_path / "out"
    assert _version(to, None, out) == 2
    out.mkdir()
    (out / "batch.json").write_text('{"model": "digits", "version": 1}')
    assert _version(to, None, out) == 1
    assert _version(to, "2", out) == 2
    for other in ('{"model": "faces", "version": 1}', '{"model": "digits", "version": 9}', "[1]"):
        (out / "batch.json").write_text(other)
        assert _version(to, None, out) == 2
