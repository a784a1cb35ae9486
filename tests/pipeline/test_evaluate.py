"""What `genvision evaluate` refuses before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.evaluate import evaluate
from trainer.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "digits_cgan"], "MODEL 'nowhere' does not exist: name a folder or an .npz"),
        (["model", "digits_cgan", "--baseline", "gone"], "--baseline 'gone' does not exist"),
        (["model", "digits_cgan", "--baseline", "model"], "'model' is no SavedModel"),
        (["model", "digit_cgan"], "did you mean 'digits_cgan'"),
        (["model", "digits_cgan", "--set", "evaluate.sample=5"], "did you mean 'evaluate.samples'"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    found = CliRunner().invoke(evaluate, arguments)
    assert isinstance(found.exception, UserError)
    assert words in str(found.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
