"""`genvision caption`: sentences and maps from a served model, and what is no photograph."""

from __future__ import annotations

import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import cli
from pipeline.served import server
from serving.errors import UnavailableError
from trainer import caption_export, export, models
from trainer.caption_settings import CaptionConfig, CaptionData, CaptionModel, CaptionTrain
from trainer.errors import UserError
from trainer.preprocessing import END

WORDS = ["a", "small", "red", "circle"]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> Path:
    """An output folder with a pushed captioner that has learned nothing."""
    root = tmp_path_factory.mktemp("run")
    config = CaptionConfig(
        data=CaptionData(dataset="scenes", length=6),
        model=CaptionModel(
            family="transformer", image_size=16, encoder_channels=(4, 4), width=8, units=8,
            beam_width=2,
        ),
        train=CaptionTrain(steps=1),
        checkpoint_root="unused",
    )  # fmt: skip
    keras.utils.set_random_seed(3)
    network = models.family("transformer").build(config, 4 + len(WORDS))
    # Untrained it may end at once and say nothing: here it never ends before it has to.
    (bias,) = (v for v in network.variables if v.path.endswith("score/bias"))
    bias.assign(np.where(np.arange(bias.shape[0]) == END, -20.0, 0.0))
    module = caption_export.CaptionerModule(network, WORDS, config.model)
    folder = root / "serving" / "scenes" / "1"
    folder.parent.mkdir(parents=True)
    export.write(module, str(folder), "", "", caption_export.warmup_requests(16))
    return root


@pytest.fixture(scope="module")
def target(pushed):
    with server("scenes", pushed / "serving" / "scenes") as address:
        yield address


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    """Files of a folder by name: three photographs and what is none."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "wide.png")
    Image.fromarray(noise[:, :9]).convert("CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(np.full((5, 5), 40_000, np.uint16)).save(tmp_path / "deep.png")
    whole = (tmp_path / "wide.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.txt").write_text("a red circle")
    return {path.name: str(path) for path in tmp_path.iterdir()}


def run(*args: str) -> str:
    done = CliRunner().invoke(cli, ["caption", *args], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


def test_a_sentence_per_photograph_and_the_maps(photos, target, tmp_path) -> None:
    names = [photos[name] for name in ("wide.png", "print.jpg", "deep.png")]
    out = tmp_path / "attention.png"
    lines = run(*names, "--target", target, "--attention", str(out)).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*names, "attention"]
    for line in lines[:3]:
        said = line.partition(": ")[2].split()
        assert said and set(said) <= set(WORDS)
    drawn = Image.open(io.BytesIO(out.read_bytes()))
    longest = max(len(line.partition(": ")[2].split()) for line in lines[:3])
    assert drawn.width == 160 * (longest + 1) and drawn.height > 3 * 160


def test_json_has_the_log_probability_and_the_version(photos, target) -> None:
    answer = json.loads(run(photos["wide.png"], "--target", target, "--json"))
    assert [set(one) for one in answer] == [{"file", "caption", "log_prob", "version"}]
    assert answer[0]["version"] == 1 and answer[0]["log_prob"] < 0


def test_a_server_is_started_for_the_moment(photos, pushed) -> None:
    said = run(photos["wide.png"], "--output-dir", str(pushed))
    assert set(said.partition(": ")[2].split()) <= set(WORDS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut.png", "cannot be decoded: it is damaged or incomplete"),
        ("empty.jpg", "is empty"),
        ("text.txt", "is neither JPEG nor PNG nor GIF"),
    ],
)
def test_what_is_no_photograph_is_named_in_one_line(photos, target, tmp_path, name, reason) -> None:
    out = tmp_path / "maps.png"
    with pytest.raises(UserError) as caught:
        run(photos["wide.png"], photos[name], "--target", target, "--attention", str(out))
    assert str(caught.value) == f"photo '{photos[name]}' {reason}; give JPEG or PNG files"
    assert not out.exists()
    assert run(photos["wide.png"], "--target", target)


def test_mistakes_are_found_before_a_server_is_asked(photos, tmp_path) -> None:
    with pytest.raises(UserError, match=r"photo 'no\.jpg' cannot be read: No such file"):
        run("no.jpg")
    with pytest.raises(UserError, match="recipe 'digits_cgan' makes images"):
        run(photos["wide.png"], "--recipe", "digits_cgan")
    with pytest.raises(UserError, match=r"--attention .* there is no folder"):
        run(photos["wide.png"], "--attention", str(tmp_path / "none" / "a.png"))
    with pytest.raises(UserError, match=r"--attention att\.xyz: .* ends in \.png"):
        run(photos["wide.png"], "--attention", "att.xyz")
    with pytest.raises(UserError, match="no version of 'scenes'"):
        run(photos["wide.png"], "--output-dir", str(tmp_path))
    with pytest.raises(UnavailableError):
        run(photos["wide.png"], "--target", "127.0.0.1:9")
    with pytest.raises(UserError, match=f"--version {10**30}: give a label, or a number up to"):
        run(photos["wide.png"], "--target", "127.0.0.1:9", "--version", f"{10**30}")


def test_a_photograph_that_is_too_large_is_named(photos, target, tmp_path) -> None:
    huge = tmp_path / "huge.png"
    Image.new("1", (5000, 10)).save(huge)
    with pytest.raises(UserError) as caught:
        run(photos["wide.png"], str(huge), "--target", target)
    assert str(caught.value) == (
        f"photo '{huge}' is 5000x10 pixels; this server allows 4096 along a side; scale it down"
    )


def test_a_version_that_is_not_served_is_answered_with_what_is(photos, target) -> None:
    for version in ("77", "nope"):
        with pytest.raises(UserError, match=f"{version}.*; served there: version 1; genvision mod"):
            run(photos["wide.png"], "--target", target, "--version", version)
