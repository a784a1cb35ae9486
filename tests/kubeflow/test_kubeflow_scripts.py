"""The cluster scripts, run with stand-ins for the clouds' commands that write down what they hear.

Where gcloud is installed its own parser also judges each command; nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.kubernetes import GPU, SPOT, Kubernetes

FOLDER = Path(__file__).parents[2] / "kubeflow"
STAND_IN = """#!/bin/bash
printf '%q ' "$(basename "$0")" "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in {cases} esac
"""
GCLOUD = "*'projects describe'*) echo 42;; *' describe '*) exit $MISSING;;"
AWS = """
  *creation-token*'FileSystems[0].FileSystemId'*) [[ $MISSING = 1 ]] && echo None || echo fs-1;;
  *create-file-system*) echo fs-1;;
  *LifeCycleState*) echo available;;
  *describe-cluster*subnetIds*) printf 'subnet-a\\tsubnet-b\\tsubnet-c\\n';;
  *describe-cluster*) echo sg-1;;
  *describe-mount-targets*) [[ $MISSING = 1 ]] && echo None || printf 'zone-a\\tzone-c\\n';;
  *describe-subnets*subnet-b*) echo zone-a;;
  *describe-subnets*) [[ $* = *subnet-a* ]] && echo zone-a || echo zone-c;;
  *describe-repositories*) exit $MISSING;;
"""


@pytest.fixture
def run(tmp_path):
    """Run one script; returns exit code, output, error and the commands it gave."""
    for name, cases in (("gcloud", GCLOUD), ("aws", AWS)):
        (tmp_path / name).write_text(STAND_IN.format(cases=cases))
        (tmp_path / name).chmod(0o755)

    def run(script: str, missing: bool = True, **variables: str):
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "CALLS": str(calls),
            "MISSING": str(int(missing)),
            **variables,
        }
        done = subprocess.run(
            [FOLDER / script], capture_output=True, text=True, check=False, env=environment
        )
        given = calls.read_text().splitlines() if calls.exists() else []
        return done.returncode, done.stdout, done.stderr, [shlex.split(line) for line in given]

    return run


def flags(command: list[str]) -> dict[str, str]:
    words = (word.removeprefix("--").partition("=") for word in command if word.startswith("--"))
    return {name: value for name, _, value in words}


GKE = {"PROJECT": "shop", "ZONE": "europe-west4-a", "BUCKET": "shop-genvision", "MAX_GPUS": "2"}


def test_gke_pools_are_those_of_recipes_and_start_at_zero(run) -> None:
    code, out, error, commands = run("gke/cluster.sh", **GKE)
    assert code == 0, error
    wanted = Kubernetes().pools
    made = {c[4]: flags(c) for c in commands if c[1:4] == ["container", "node-pools", "create"]}
    assert list(made) == list(wanted)
    for name, recipe in wanted.items():
        given = made[name]
        assert dict([given["node-labels"].split("=")]) == recipe.labels
        assert given["num-nodes"] == given["min-nodes"] == "0" and int(given["max-nodes"]) > 0
        taints = {taint.split("=")[0] for taint in given.get("node-taints", "").split(",") if taint}
        tolerated = {t.key for t in recipe.tolerations} | ({SPOT.key} if recipe.spot else set())
        assert taints == tolerated
        assert ("spot" in given) == recipe.spot
        assert ("accelerator" in given) == (GPU in recipe.tolerations)
        if "accelerator" in given:
            assert given["max-nodes"] == "2" and "nvidia-l4" in given["accelerator"]
    assert out.splitlines()[-1] == (
        "images   europe-west4-docker.pkg.dev/shop/genvision/genvision:TAG"
    )
    reader, binding = (c for c in commands if "add-iam-policy-binding" in c)
    assert flags(reader)["member"] == "serviceAccount:42-compute@developer.gserviceaccount.com"
    assert flags(binding)["member"].endswith(
        "shop.svc.id.goog/subject/ns/kubeflow/sa/genvision-runner"
    )
    assert "/projects/42/" in flags(binding)["member"]


def test_gke_a_second_call_makes_nothing(run) -> None:
    code, out, error, commands = run("gke/cluster.sh", missing=False, **GKE)
    assert code == 0, error
    assert not [c for c in commands if "create" in c]
    assert [line.split()[0] for line in out.splitlines()] == ["exists"] * 6 + ["images"]


def test_a_missing_setting_is_one_line_that_says_what_to_give(run) -> None:
    for script, name in (("gke/cluster.sh", "PROJECT"), ("eks/storage.sh", "AWS_REGION")):
        code, _, error, commands = run(script)
        assert code != 0 and not commands
        assert len(error.splitlines()) == 1 and f"{name}=" in error and script in error


def test_gcloud_itself_takes_every_command(run, tmp_path) -> None:
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    _, _, _, commands = run("gke/cluster.sh", **GKE)
    texts = [shlex.join(command) for command in commands]
    texts.append("gcloud container clusters create x --no-such-flag")
    listed = tmp_path / "commands.json"
    listed.write_text(json.dumps([{"command_string": text} for text in texts]))
    done = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={listed}"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "config")},
    )  # fmt: skip
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == len(commands) + 1
    *ours, unknown = verdicts
    assert [v["error_message"] for v in ours if not v["success"]] == []
    assert not unknown["success"]


def test_efs_has_one_mount_target_a_zone_and_the_clusters_own_group(run) -> None:
    code, out, error, commands = run("eks/storage.sh", AWS_REGION="eu-central-1")
    assert (code, out) == (0, "fs-1\n"), error
    targets = [c for c in commands if c[2] == "create-mount-target"]
    assert [c[c.index("--subnet-id") + 1] for c in targets] == ["subnet-a", "subnet-c"]
    assert all(c[c.index("--security-groups") + 1] == "sg-1" for c in targets)
    (made,) = (c for c in commands if c[2] == "create-file-system")
    assert "--encrypted" in made
    assert any(c[2] == "create-repository" for c in commands)


def test_efs_a_second_call_makes_nothing_and_prints_the_same(run) -> None:
    code, out, _, commands = run("eks/storage.sh", missing=False, AWS_REGION="eu-central-1")
    assert (code, out) == (0, "fs-1\n")
    assert not [c for c in commands if c[2].startswith("create-")]
