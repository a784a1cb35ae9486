"""What a recipe asks of Kubernetes: image, storage, node pools, and resources for every node.

Names only: of secrets, config maps, claims and pools. A secret's value in a recipe is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from trainer.errors import UserError, unknown_name
from trainer.settings import Settings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
"""Name of an object in the cluster."""

Quantity = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if type(given) in (int, float) else given),
    StringConstraints(pattern=r"^\d+(\.\d+)?(m|[kMGTPE]i?)?$"),
]
"""Amount as Kubernetes writes it: 500m, 4, 16Gi."""

Folder = Annotated[str, StringConstraints(pattern=r"^/[^\s]*$")]
"""Absolute path in the container."""

_IMAGE = re.compile(
    r"([^\s@]+/)?[^:@/\s]+(:[\w][\w.-]{0,127}|(:[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64})"
)
_SECRET_NAMES = re.compile(r"(?i)(password|passwd|token|secret|credential|api_?key|access_?key)")
_SECRET_VALUES = re.compile(
    r"-----BEGIN|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bxox[abprs]-|\bsk-\w{20,}|://[^/\s:@]+:[^/\s@]+@"
)


class Toleration(Settings):
    """A taint that a node's pod puts up with."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"
    seconds: NonNegativeInt | None = Field(None, description="for NoExecute: how long it stays")


class Affinity(Settings):
    """A wish for machines by their labels, beyond plain equality."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    values: tuple[str, ...] = ()
    weight: int | None = Field(None, ge=1, le=100, description="null: required, not only preferred")


GPU = Toleration(key="nvidia.com/gpu")
SPOT = Toleration(key="genvision/spot")


class Pool(Settings):
    """A kind of machine: how to get there and what to put up with."""

    labels: dict[str, str] = Field({}, description="node selector")
    tolerations: tuple[Toleration, ...] = ()
    affinity: tuple[Affinity, ...] = ()
    spot: bool = Field(False, description="cheap machines that can be taken away at any time")


class Accelerator(Settings):
    """Accelerators of one pod."""

    type: str = Field("nvidia.com/gpu", description="the resource's name, not a model of GPU")
    count: PositiveInt = 1


class Volume(Settings):
    """A persistent volume claim and where it is seen."""

    claim: Name
    mount_path: Folder


class Reference(Settings):
    """A secret or config map, by name, and how its keys reach the container."""

    name: Name
    env: dict[str, str] = Field({}, description="key -> environment variable")
    mount_path: Folder | None = Field(None, description="all keys as files in this folder")


class Needs(Settings):
    """What one node needs; null takes it from `kubernetes.default`, and there from `BASE`."""

    image: str | None = Field(None, description="another image for this node")
    pool: str | None = Field(None, description="a name in kubernetes.pools")
    cpu: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory: Quantity | None = None
    memory_limit: Quantity | None = None
    accelerator: Accelerator | None = None
    shared_memory: Quantity | None = Field(None, description="size of /dev/shm")
    retries: NonNegativeInt | None = None
    backoff_s: PositiveInt | None = Field(None, description="wait before the first retry")
    backoff_factor: PositiveInt | None = Field(None, description="Argo takes whole numbers only")
    backoff_max_s: PositiveInt | None = Field(
        None, description="since the first attempt began; after it no retry begins or goes on"
    )
    timeout_s: PositiveInt | None = Field(None, description="for one attempt")
    volumes: tuple[Volume, ...] | None = Field(None, description="beside kubernetes.storage")
    secrets: tuple[Reference, ...] | None = None
    config_maps: tuple[Reference, ...] | None = None
    env: dict[str, str] | None = Field(None, description="plain values; secrets go by name")

    def over(self, other: Needs) -> Needs:
        """Return these needs, with what is null here taken from `other`."""
        own = {
            key: value
            for key in type(self).model_fields
            if (value := getattr(self, key)) is not None
        }
        return other.model_copy(update=own)


BASE = Needs(retries=2, backoff_s=60, backoff_factor=2, backoff_max_s=2_592_000)


class Notify(Settings):
    """Where the end of a run is told: the secret's key holds Apprise addresses, one a line."""

    secret: Name
    key: str = "urls"


class Kubernetes(Settings):
    """How a recipe runs on Kubeflow."""

    image: str | None = Field(None, description="registry/name:tag or registry/name@sha256:...")
    storage: Volume | None = Field(
        Volume(claim="genvision", mount_path="/genvision"),
        description="seen by all nodes; runs and prepared data lie on it",
    )
    metadata: str = Field(
        "grpc://metadata-grpc-service.kubeflow:8080",
        description="grpc://host:port, mysql://user@host:port/database or sqlite:///path",
    )
    service_account: Name | None = None
    parameters: tuple[str, ...] = Field(
        ("train.steps",), description="recipe keys that can be given anew at the start of a run"
    )
    gates: tuple[str, ...] = Field(
        ("GenerativeEvaluator", "ServingCheck"),
        description="nodes whose refusal fails the run, so that nothing follows",
    )
    pools: dict[str, Pool] = {
        "cpu": Pool(labels={"genvision/pool": "cpu"}),
        "gpu": Pool(labels={"genvision/pool": "gpu"}, tolerations=(GPU,)),
        "gpu-spot": Pool(labels={"genvision/pool": "gpu-spot"}, tolerations=(GPU,), spot=True),
    }
    default: Needs = Needs()
    nodes: dict[str, Needs] = Field({}, description="by node id")
    ui: str | None = Field(None, description="address of the Kubeflow Pipelines UI, for links")
    notify: Notify | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Kubernetes:
        check_image("kubernetes.image", self.image)
        _check_plain("kubernetes.metadata", self.metadata)
        for key, needs in [
            ("default", self.default),
            *((f"nodes.{n}", v) for n, v in self.nodes.items()),
        ]:
            self._check(f"kubernetes.{key}", needs)
        return self

    def _check(self, key: str, needs: Needs) -> None:
        check_image(f"{key}.image", needs.image)
        for name, value in (needs.env or {}).items():
            _check_plain(f"{key}.env.{name}", value, name)
        if needs.pool is not None and needs.pool not in self.pools:
            raise unknown_name(f"node pool of {key}", needs.pool, self.pools)
        whole = needs.over(self.default).over(BASE)
        if whole.pool and self.pools[whole.pool].spot and not whole.retries:
            raise UserError(
                f"'{key}' has no retries on spot pool '{whole.pool}', whose machines can be taken "
                f"away: set {key}.retries to 1 or more, or name a pool on demand"
            )

    def needs(self, node: str) -> Needs:
        """Return what `node` needs, all defaults filled in."""
        return self.nodes.get(node, Needs()).over(self.default).over(BASE)

    def image_for(self, image: str | None = None) -> str:
        """Return the image of all nodes that name none of their own: `image`, or the recipe's.

        Raises:
          UserError: There is none, or it has no tag.
        """
        found = image or self.image
        if not found:
            raise UserError(
                "no image to run the nodes in: set kubernetes.image to registry/name:tag in the "
                "recipe or with --set"
            )
        check_image("image", found)
        return found

    def check_nodes(self, known: Sequence[str]) -> None:
        """Raise UserError when `nodes` names a node that the pipeline does not have."""
        for name in self.nodes:
            if name not in known:
                raise unknown_name("node in kubernetes.nodes", name, known)


def check_image(key: str, image: str | None) -> None:
    """Raise UserError for an image without tag and digest: what runs would change unseen."""
    if image is not None and not _IMAGE.fullmatch(image):
        raise UserError(
            f"{key} is '{image}', an image without a tag: write it as registry/name:tag or "
            "registry/name@sha256:digest"
        )


def _check_plain(key: str, value: str, name: str = "") -> None:
    """Raise UserError, without repeating the value, when it looks like a secret."""
    literal = value and _SECRET_NAMES.search(name)
    if literal or _SECRET_VALUES.search(value) or ("://" in value and urlsplit(value).password):
        raise UserError(
            f"{key} holds a secret's value: put it into a Kubernetes secret and name that under "
            "'secrets' (name: ..., env: {key: VARIABLE})"
        )
