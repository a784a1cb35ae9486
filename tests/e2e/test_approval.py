"""A run that waits for a person: approved from another process, remembered, rejected, too late."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

REQUIRED = ["--set", "approve.required=true"]


@pytest.fixture(scope="module")
def approved(genvision, small):
    """A run that a second process approved while it waited."""
    run = genvision.start(*small, *REQUIRED)
    lines = []
    for line in run.stdout:
        lines.append(line)
        if "waiting until" in line:
            break
    early = genvision("runs", "digits_cgan", "--json")
    signed = genvision("approve", "digits_cgan", "--by", "ada", "--note", "crisp")
    lines += list(run.stdout)
    assert run.wait() == 0, "".join(lines)
    return "".join(lines), signed.stdout, json.loads(early.stdout)


def test_the_run_waits_and_goes_on_when_approved(approved, genvision) -> None:
    output, said, early = approved
    assert "genvision approve digits_cgan --by NAME --note WHY" in output
    assert early[0]["verdict"] == "waiting" and early[0]["pushed_version"] is None
    assert said.startswith("digits_cgan:1: approved by ada at ") and said.endswith(": crisp\n")
    assert len(genvision.versions()) == 1
    lineage = genvision("lineage", "digits_cgan").stdout
    assert "approved by ada at" in lineage and ": crisp" in lineage


def test_the_decision_holds_for_the_same_model(approved, genvision, small) -> None:
    again = genvision(*small, *REQUIRED)
    assert again.returncode == 0 and "waiting until" not in again.stdout
    assert "Approval             cached" in again.stdout


def test_a_rejected_model_is_not_pushed(approved, genvision, small) -> None:
    other = [*small, *REQUIRED, "--set", "train.steps=61"]
    run = genvision.start(*other)
    for line in run.stdout:
        if "waiting until" in line:
            break
    genvision("approve", "digits_cgan", "--by", "bob", "--note", "blurred", "--reject")
    rest = run.stdout.read()
    assert run.wait() == 1
    assert "rejected by bob at" in rest and ": blurred" in rest
    assert len(genvision.versions()) == 1


def test_nobody_decides(approved, genvision, small) -> None:
    late = [*small, *REQUIRED, "--set", "approve.hours=0.0005", "--set", "train.steps=62"]
    done = genvision(*late)
    assert done.returncode == 1
    assert "nobody approved the model within 0.0005 h: not pushed" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and len(genvision.versions()) == 1


def test_what_cannot_be_approved(approved, genvision) -> None:
    refused = genvision("approve", "digits_cgan:99", "--by", "ada")
    assert refused.returncode == 2 and "unknown run" in refused.stderr
