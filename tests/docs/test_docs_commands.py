"""Every command on the pages: parsed as it would be run, and run where that takes no time.

`docs/serving.md` and `kubeflow/README.md` have tests of their own, which know servers and clusters.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline import config
from pipeline.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "serving.md")
CHEAP = (
    ["--help"],
    ["recipes"],
    ["show"],
    ["data", "list"],
    ["extractor", "list"],
    ["completion"],
    ["versions", "--help"],
)
"""Beginnings of commands that are run; so is whatever says --dry-run."""


@pytest.fixture
def place(tmp_path, monkeypatch, named_blocks) -> Path:
    """A working directory with the recipes of the pages and the folders they name."""
    for page in ("own-data.md", "extend.md"):
        for name, text in named_blocks(page).items():
            if name.endswith(".yaml"):
                (tmp_path / name).write_text(text)
    shown = config.dump(config.load("digits_cgan")).replace("name: digits_cgan", "name: my", 1)
    (tmp_path / "my.yaml").write_text(shown)
    for file in ("photos/train/cat/1.png", "photos/test/cat/2.png"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    (tmp_path / "album" / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        file = tmp_path / "album" / "annotations" / f"captions_{split}.json"
        file.write_text('{"images": [], "annotations": []}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(texts: list[str]) -> list[list[str]]:
    lines = (line for text in texts for line in text.splitlines())
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Let click judge a command line, without running it."""
    with pytest.MonkeyPatch.context() as patch:
        # --help would print and leave.
        patch.setattr(click.Context, "exit", lambda self, code=0: None)
        made = command.make_context(command.name, [*words], parent=parent, resilient_parsing=False)
    rest = [*getattr(made, "_protected_args", []), *made.args]
    if isinstance(command, click.Group) and rest:
        _, inner, rest = command.resolve_command(made, rest)
        assert inner is not None
        parse(inner, rest, made)


def judge(words: list[str]) -> None:
    """Raise unless the command line is right for its program."""
    program, *rest = words
    if program == "genvision":
        if "--help" in rest:
            rest.remove("--help")
        if rest and rest != ["versions"]:
            parse(cli, rest[: rest.index(">")] if ">" in rest else rest)
    elif program == "tfx":
        from tfx.tools.cli.cli_main import cli_group

        parse(cli_group, rest)
    elif program == "mkdocs":
        from mkdocs.__main__ import cli as mkdocs

        parse(mkdocs, rest)
    elif program == "kubectl" and rest[0] == "exec":
        judge(rest[rest.index("--") + 1 :])
    elif program == "make":
        targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in rest if "=" not in word and word not in targets] == []
    else:
        raise AssertionError(f"no test knows the program '{program}'")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_is_right(page: str, blocks, place: Path) -> None:
    for words in commands(blocks(page, "sh")):
        try:
            judge(words)
        except (click.ClickException, AssertionError) as error:
            pytest.fail(f"{page}: {shlex.join(words)}: {error}")
        for option in (word for word in words if word.startswith("--pipeline-path=")):
            assert (ROOT / option.partition("=")[2]).is_file()


def test_a_wrong_command_would_be_seen() -> None:
    wrong = "genvision runn; genvision run x --setting y; genvision versions promot 1; make rnu"
    for line in f"{wrong}; genvision data show --count many x; tfx pipeline crate".split("; "):
        with pytest.raises((click.ClickException, AssertionError)):
            judge(line.split())


@pytest.mark.parametrize("page", PAGES)
def test_what_takes_no_time_is_run(page: str, blocks, place: Path) -> None:
    for program, *words in commands(blocks(page, "sh")):
        cheap = "--dry-run" in words or any(words[: len(b)] == b for b in CHEAP)
        if program != "genvision" or not cheap:
            continue
        target = words[words.index(">") + 1] if ">" in words else None
        done = CliRunner().invoke(cli, words[: words.index(">")] if target else words)
        assert done.exit_code == 0, (words, done.output, done.exception)
        assert done.output.strip()
        if "--json" in words:
            assert json.loads(done.output)
        if target:
            (place / target).write_text(done.output)


def test_settings_in_the_text_exist(docs: Path) -> None:
    """Every `section.key` that a page names is a key of some recipe."""
    known = {"train.on_change", "kubernetes.notify"}
    for name in ("digits_cgan", "scenes_captions"):
        if name in config.names():
            known |= {key for key, _ in config.settings(config.load(name))}
    sections = {key.partition(".")[0] for key in known}
    for page in PAGES:
        text = (docs / page).read_text()
        for key in re.findall(r"[`\s]((?:[a-z_]+\.)+[a-z_]+)(?:=[^`]*|: [^`]*)?`", text):
            if key.partition(".")[0] in sections and not key.endswith((".yaml", ".md")):
                near = any(one == key or one.startswith(f"{key}.") for one in known)
                assert near, f"{page}: {key}"


def test_recipes_on_pages_load(place: Path) -> None:
    for name in ("photos", "album"):
        assert config.load(f"{name}.yaml").name == name
