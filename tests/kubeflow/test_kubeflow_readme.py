"""The page that leads from an empty cluster to a schedule: every command on it is parsed."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from pipeline import config
from pipeline.cli import cli
from pipeline.kubernetes import SPOT, Kubernetes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "kubeflow" / "README.md").read_text()
# Parsed by nobody here, for want of the programs; there are few of them and they are short.
UNPARSED = {"eksctl", "kind", "helm", "aws"}
# Made by Kubeflow Pipelines' own manifests.
KUBEFLOW = {"deployment/ml-pipeline", "svc/ml-pipeline-ui", "crd/applications.app.k8s.io"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every command, the words before a pipe and after it as two; leading settings dropped."""
    found = []
    for line in "".join(blocks("bash")).splitlines():
        for text in line.split(" | "):
            words = shlex.split(text, comments=True)
            while words and re.match(r"^[A-Z_]+=", words[0]):
                words.pop(0)
            found += [words] if words else []
    return found


def of(program: str) -> list[list[str]]:
    return [words for words in commands() if words[0] == program]


def parse(command: click.Command, words: list[str], context: click.Context | None = None) -> None:
    """Let click judge a command line, without running it."""
    made = command.make_context(command.name, [*words], parent=context)
    if isinstance(command, click.Group):
        rest = [*made.protected_args, *made.args] if made.protected_args else made.args
        _, sub, rest = command.resolve_command(made, rest)
        parse(sub, rest, made)


def test_every_command_is_of_a_known_program() -> None:
    checked = {"genvision", "tfx", "kubectl", "docker", "gcloud", "export", "cp"}
    scripts = {"kubeflow/gke/cluster.sh", "kubeflow/eks/storage.sh"}
    assert {words[0] for words in commands()} == checked | scripts | UNPARSED
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o111


def test_genvision_takes_its_commands(monkeypatch, tmp_path) -> None:
    (tmp_path / "my.yaml").write_text(config.dump(config.load("digits_cgan")))
    monkeypatch.chdir(tmp_path)
    for words in of("genvision"):
        parse(cli, words[1:])
        for recipe in set(words) & {"digits_cgan", "my.yaml"}:
            config.load(recipe, [w for w in words if w.startswith("kubernetes.")])
    with pytest.raises(click.UsageError):
        parse(cli, ["schedule", "create", "my.yaml", "--chron", "0 3 * * 1"])


def test_parameters_are_those_that_a_package_offers() -> None:
    from pipeline.runners.kubeflow import rebuild

    offered = {p.name for p in rebuild.offer(config.load("digits_cgan")).parameters}
    given = set(re.findall(r"--(?:param|runtime-parameter)[ =](\w+)=", PAGE))
    assert given and given <= offered


def test_tfx_takes_its_commands() -> None:
    from tfx.tools.cli.cli_main import cli_group

    assert len(of("tfx")) >= 5
    for words in of("tfx"):
        parse(cli_group, words[1:])
        (path,) = [w.split("=")[1] for w in words if "--pipeline-path" in w] or ["README.md"]
        assert (ROOT / path).is_file()


def test_kubectl_is_pointed_at_files_and_objects_that_are_there() -> None:
    known = set(KUBEFLOW)
    folders = {w[w.index("-k") + 1] for w in of("kubectl") if "-k" in w}
    for folder in folders:
        if folder.startswith("github.com/kubeflow/pipelines/"):
            assert folder.endswith("?ref=$PIPELINE_VERSION")
        else:
            assert (ROOT / folder / "kustomization.yaml").is_file(), folder
    for file in [*ROOT.glob("kubeflow/k8s/**/*.yaml"), *ROOT.glob("serving/k8s/base/*.yaml")]:
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, dict) and "metadata" in document:
                kind = document["kind"].lower()
                known.add(f"{'svc' if kind == 'service' else kind}/{document['metadata']['name']}")
    for words in of("kubectl"):
        for option, value in itertools.pairwise(words):
            assert option != "-f" or (ROOT / value).is_file(), value
        named = {w for w in words if re.match(r"^(deployment|svc|job|crd)/", w)}
        assert named <= known


def test_kubectl_knows_its_options() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")

    def text(*words: str) -> str:
        return subprocess.run(
            ["kubectl", *words], capture_output=True, text=True, check=True
        ).stdout

    everywhere = text("options")
    for words in of("kubectl"):
        given = [w for w in words[1:] if not (w == "-n" or w == "kubeflow")]
        verb = given[:2] if given[0] == "rollout" else given[:1]
        known = everywhere + text(*verb, "--help")
        for option in (w.split("=")[0] for w in given if w.startswith("--")):
            assert re.search(rf"{option}\b", known), (words, option)


def test_docker_builds_what_the_dockerfile_has() -> None:
    dockerfile = (ROOT / "kubeflow" / "Dockerfile").read_text()
    builds = [words for words in of("docker") if words[1] == "build"]
    assert len(builds) == 3
    for words in builds:
        assert (ROOT / words[words.index("-f") + 1]).is_file() and words[-1] == "."
        pairs = list(itertools.pairwise(words))
        assert all(f"ARG {v.split('=')[0]}=" in dockerfile for o, v in pairs if o == "--build-arg")
        assert all(f" AS {v}\n" in dockerfile for o, v in pairs if o == "--target")
    for words in of("docker"):
        if words[1] == "run":
            assert "genvision-smoke" in words and "genvision-smoke" in dockerfile


def test_the_example_is_a_recipe_section() -> None:
    (text,) = blocks("yaml")
    section = Kubernetes.model_validate(yaml.safe_load(text)["kubernetes"])
    trainer = section.needs("Trainer")
    assert section.pools[trainer.pool].spot and trainer.retries == 5
    assert section.service_account == "genvision-runner"
    section.check_nodes(["Trainer"])


def test_the_table_of_pools_is_what_recipes_have() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \| `(\S+)=(\S+)` \| (.*) \|$", PAGE, re.MULTILINE)
    pools = Kubernetes().pools
    assert [name for name, *_ in rows] == list(pools)
    for name, label, value, taints in rows:
        assert pools[name].labels == {label: value}
        keys = [t.key for t in pools[name].tolerations] + ([SPOT.key] if pools[name].spot else [])
        assert re.findall(r"`(.*?)`", taints) == keys


def test_every_file_and_heading_that_is_named_exists() -> None:
    for path in re.findall(r"`((?:kubeflow|serving|pipeline|docs)/[\w./-]+)`", PAGE):
        assert (ROOT / path).exists(), path
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
                for h in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)}  # fmt: skip
    for anchor in re.findall(r"\]\(#(.*?)\)", PAGE):
        assert anchor in headings, anchor
    for address in re.findall(r"`((?:grpc|mysql|sqlite)://\S+)`", PAGE):
        Kubernetes(metadata=address)
