"""Options that commands on a cluster share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.cluster.cluster import Cluster
    from pipeline.recipe import Recipe

_ACCESS = (
    click.option(
        "--endpoint",
        envvar="KF_PIPELINES_ENDPOINT",
        metavar="URL",
        help="KFP API. Default: KF_PIPELINES_ENDPOINT, in the cluster itself, or kubeconfig.",
    ),
    click.option("-n", "--namespace", default="kubeflow", show_default=True, help="Yours."),
    click.option(
        "--iap-client-id",
        envvar="KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
        metavar="ID",
        help="For an endpoint behind Google's proxy. Token or cookies: KFP_TOKEN, KFP_COOKIES.",
    ),
    click.option("--ca-cert", metavar="FILE", help="Certificate authority of the endpoint."),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0.1),
        default=30.0,
        show_default=True,
        help="Seconds that one answer may take.",
    ),
)
_RECIPE = (
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting of the recipe.",
    ),
    click.option("--image", metavar="NAME:TAG", help="Default: kubernetes.image of the recipe."),
)


def _all(options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


access = _all(_ACCESS)
recipe_settings = _all(_RECIPE)


def cluster_of(place: dict[str, Any]) -> Cluster:
    """Connect with what the options of `access` hold."""
    from pipeline.cluster.client import Access
    from pipeline.cluster.cluster import Cluster

    return Cluster(Access.of_environment(**place))


def resolve(recipe: str, overrides: tuple[str, ...], image: str | None = None) -> Recipe:
    """Resolve a recipe with its overrides, the image among them."""
    from pipeline import config

    return config.load(recipe, [*overrides, *([f"kubernetes.image={image}"] if image else [])])
