"""From a recipe to a run on a cluster: compile, upload when it is new, start."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from pipeline.cluster import package as packages
from pipeline.cluster import parameters
from pipeline.cluster.client import quiet
from pipeline.cluster.cluster import Cluster, Version
from pipeline.recipe import Recipe


class Uploaded(NamedTuple):
    """A version on the cluster and how it came there."""

    version: Version
    how: str
    """`created`, `updated` or `unchanged`"""


def upload(cluster: Cluster, recipe: Recipe) -> Uploaded:
    """Compile a recipe and upload it; a package equal to the newest version is not sent again."""
    from pipeline.console import quiet as no_library_noise

    with tempfile.TemporaryDirectory() as folder:
        with no_library_noise():
            from pipeline.runners.kubeflow.runner import compile_recipe

            package = compile_recipe(recipe, Path(folder) / f"{recipe.name}.yaml")
        return upload_package(cluster, recipe.name, package)


def upload_package(cluster: Cluster, name: str, package: Path) -> Uploaded:
    """Upload a compiled package under a pipeline's name: new, new version, or not at all."""
    content, known = packages.content(package), cluster.find(name)
    with quiet():
        if known is None:
            return Uploaded(cluster.newest(cluster.create(name, package)), "created")
        newest = cluster.newest(known)
        if newest.spec == content:
            return Uploaded(newest, "unchanged")
        return Uploaded(cluster.update(name, package), "updated")


def start(
    cluster: Cluster, name: str, version: Version, given: dict[str, str], account: str = ""
) -> str:
    """Start a run; returns its id.

    Raises:
      UserError: A parameter is unknown, missing or of another type.
    """
    values = parameters.converted(given, version.spec)
    with quiet():
        run = cluster.start(name, version, values, service_account=account)
    return str(run.run_id)
