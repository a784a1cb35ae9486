"""What a recipe may ask of Kubernetes, and what is refused in one line before anything is made."""

from __future__ import annotations

import pytest

from pipeline import config
from pipeline.kubernetes import BASE, Kubernetes, Needs
from trainer.errors import UserError


def load(*settings: str):
    return config.load("digits_cgan", [f"kubernetes.{setting}" for setting in settings])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("image=gan", "image without a tag"),
        ("image=localhost:5000/gan", "image without a tag"),
        ("nodes.Trainer.image=reg/gan@sha1:00", "kubernetes.nodes.Trainer.image is 'reg/gan@sha1"),
        (
            "nodes.Trainer.pool=gp",
            "unknown node pool of kubernetes.nodes.Trainer 'gp': did you mean",
        ),
        ("nodes.Trainer.cpuu=2", "did you mean 'kubernetes.nodes.Trainer.cpu'"),
        ("nodes.Trainer.memory=lots", "kubernetes.nodes.Trainer.memory' is 'lots'"),
        ("nodes.Trainer={pool: gpu-spot, retries: 0}", "no retries on spot pool 'gpu-spot'"),
        ("storage.claim=My Claim", "kubernetes.storage.claim' is 'My Claim'"),
        ("default.env={API_TOKEN: hunter2}", "kubernetes.default.env.API_TOKEN holds a secret"),
        ("default.env={KEY: AKIAABCDEFGHIJKLMNOP}", "kubernetes.default.env.KEY holds a secret"),
        ("nodes.Trainer.env={URL: https://me:hunter2@host/x}", "Trainer.env.URL holds a secret"),
        ("metadata=mysql://root:hunter2@db:3306/m", "kubernetes.metadata holds a secret's value"),
    ],
)
def test_a_mistake_is_one_line_and_repeats_no_secret(setting: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        load(setting)
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value) and "AKIA" not in str(refused.value)


@pytest.mark.parametrize(
    "image", ["reg.example:5000/team/gan:1.2", "gan:v1", f"reg/gan@sha256:{'0' * 64}"]
)
def test_images_with_tag_or_digest_are_taken(image: str) -> None:
    assert load(f"image={image}").kubernetes.image == image


def test_a_nodes_needs_come_before_the_recipes_before_the_built_in_ones() -> None:
    asked = Kubernetes(
        default=Needs(cpu="2", retries=4), nodes={"Trainer": Needs(cpu="8", backoff_s=5)}
    )
    trainer, other = asked.needs("Trainer"), asked.needs("Pusher")
    assert (trainer.cpu, trainer.retries, trainer.backoff_s) == ("8", 4, 5)
    assert (other.cpu, other.retries, other.backoff_s) == ("2", 4, BASE.backoff_s)


def test_a_node_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'Trianer': did you mean 'Trainer'"):
        Kubernetes(nodes={"Trianer": Needs()}).check_nodes(["Trainer", "Pusher"])


def test_it_survives_writing_and_reading(tmp_path) -> None:
    recipe = load("nodes.Trainer={cpu: '8', pool: gpu-spot}", "default.retries=1")
    path = tmp_path / "digits_cgan.yaml"
    path.write_text(config.dump(recipe))
    again = config.load(str(path))
    assert again == recipe
    assert again.kubernetes.needs("Trainer") == recipe.kubernetes.needs("Trainer")
