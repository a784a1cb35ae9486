"""The smallest GAN as a recipe, whole: its promise, its numbers on request, its stages."""

from __future__ import annotations

import csv
import json
import re

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(genvision) -> str:
    done = genvision("run", "gaussian_gan")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mean_and_deviation_are_as_promised(output, genvision) -> None:
    assert "verdict  BLESSED" in output
    report = re.search(r"^report +(\S+)/report.html$", output, re.M)[1]
    told = json.loads((genvision.folder / report / "evaluation.json").read_text())
    (only,) = told["classes"]
    assert only["mean"] == pytest.approx(10, abs=0.05)
    assert only["deviation"] == pytest.approx(0.1, abs=0.03)
    assert re.search(r"^ +9\.\d+, .* over gRPC in \d+ ms$|^ +10\.\d+, .* over gRPC", output, re.M)


def test_numbers_on_request_are_the_same_each_time(output, genvision) -> None:
    ask = ["generate", "--recipe", "gaussian_gan", "--count", "5", "--seed", "3", "--out"]
    texts = []
    for name in ("one.csv", "two.csv"):
        done = genvision(*ask, name)
        assert done.returncode == 0, done.stderr
        texts.append((genvision.folder / name).read_text())
    assert texts[0] == texts[1]
    rows = list(csv.DictReader(texts[0].splitlines()))
    assert [row["seed"] for row in rows] == ["3", "4", "5", "6", "7"]
    assert all(9 < float(row["value"]) < 11 for row in rows)


@pytest.mark.parametrize("stage", ["example", "sample"])
def test_a_stage_shows_numbers(stage, output, genvision) -> None:
    done = genvision("inspect", "gaussian_gan", "--stage", stage, "--count", "3", "--json")
    found = json.loads(done.stdout)
    assert all(9 < float(item["value"]) < 11 for item in found["items"])
    assert (genvision.folder / found["sheet"]).exists()
