"""Put what a node needs onto its Kubeflow task, with the KFP SDK's own calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kfp import dsl, kubernetes
from kfp.dsl import structures
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubernetes import SPOT, Needs, Pool, Reference, Volume
from trainer.errors import UserError


@dataclass
class _RetryPolicy(structures.RetryPolicy):
    """The SDK's own without its limit of an hour (kubeflow/pipelines#13452).

    Argo counts the time from the first attempt's start: after it nothing is tried again, and an
    attempt that still runs is ended.
    """

    window_s: int | None = None

    def to_proto(self) -> pipeline_spec_pb2.PipelineTaskSpec.RetryPolicy:
        policy = super().to_proto()
        if self.window_s:
            policy.backoff_max_duration.FromSeconds(self.window_s)
        return policy


def apply(
    task: dsl.PipelineTask, needs: Needs, pools: Mapping[str, Pool], storage: Volume | None
) -> None:
    """Give a task its machine, resources, volumes, secrets, retries and time limit.

    Args:
      task: A container task.
      needs: All defaults filled in.
      pools: The pools that `needs.pool` may name.
      storage: The claim that all nodes see; None: none.

    Raises:
      UserError: One claim, secret or config map at two places: Kubernetes volumes have its name.
    """
    _compute(task, needs)
    if needs.pool:
        _place(task, pools[needs.pool])
    _volumes(task, [*([storage] if storage else []), *(needs.volumes or ())])
    for secret in needs.secrets or ():
        _secret(task, secret)
    for config_map in needs.config_maps or ():
        _config_map(task, config_map)
    for name, value in sorted((needs.env or {}).items()):
        task.set_env_variable(name, value)
    if needs.retries:
        task.set_retry(
            num_retries=needs.retries,
            backoff_duration=f"{needs.backoff_s}s",
            backoff_factor=needs.backoff_factor,
        )
        task._task_spec.retry_policy = _RetryPolicy(
            **vars(task._task_spec.retry_policy), window_s=needs.backoff_max_s
        )
    if needs.timeout_s:
        kubernetes.set_timeout(task, needs.timeout_s)


def _compute(task: dsl.PipelineTask, needs: Needs) -> None:
    setters = {
        task.set_cpu_request: needs.cpu,
        task.set_cpu_limit: needs.cpu_limit,
        task.set_memory_request: needs.memory,
        task.set_memory_limit: needs.memory_limit,
    }
    for setter, amount in setters.items():
        if amount:
            setter(amount)
    if needs.accelerator:
        task.set_accelerator_type(needs.accelerator.type)
        task.set_accelerator_limit(needs.accelerator.count)
    if needs.shared_memory:
        kubernetes.empty_dir_mount(
            task, "shm", "/dev/shm", medium="Memory", size_limit=needs.shared_memory
        )


def _place(task: dsl.PipelineTask, pool: Pool) -> None:
    for key, value in sorted(pool.labels.items()):
        kubernetes.add_node_selector(task, key, value)
    for toleration in (*pool.tolerations, *([SPOT] if pool.spot else [])):
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.seconds,
        )
    for wish in pool.affinity:
        expression = {"key": wish.key, "operator": wish.operator, "values": list(wish.values)}
        kubernetes.add_node_affinity(task, match_expressions=[expression], weight=wish.weight)


def _volumes(task: dsl.PipelineTask, volumes: list[Volume]) -> None:
    places: dict[str, str] = {}
    for volume in volumes:
        if places.setdefault(volume.claim, volume.mount_path) != volume.mount_path:
            raise UserError(
                f"claim '{volume.claim}' is mounted at '{places[volume.claim]}' and at "
                f"'{volume.mount_path}' in one node: Kubeflow takes a claim once"
            )
    for claim, mount_path in places.items():
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path=mount_path)


def _secret(task: dsl.PipelineTask, secret: Reference) -> None:
    if secret.env:
        kubernetes.use_secret_as_env(task, secret.name, secret.env)
    if secret.mount_path:
        kubernetes.use_secret_as_volume(task, secret.name, secret.mount_path)


def _config_map(task: dsl.PipelineTask, config_map: Reference) -> None:
    if config_map.env:
        kubernetes.use_config_map_as_env(task, config_map.name, config_map.env)
    if config_map.mount_path:
        kubernetes.use_config_map_as_volume(task, config_map.name, config_map.mount_path)
