"""The one wiring function: a recipe and its folders in, a TFX pipeline out.

Runners only call it; local and Kubeflow runs therefore have the same nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig, SqliteMetadataSourceConfig
from tfx.components import ExampleValidator, Pusher, StatisticsGen, Trainer, Transform
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration import pipeline
from tfx.proto import pusher_pb2, trainer_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts

from components.approval.component import Approval
from components.data_check.component import DataCheck
from components.evaluator.baseline import LatestOtherBlessedModelStrategy
from components.evaluator.component import GenerativeEvaluator
from components.example_gen.component import TfdsExampleGen
from components.reference.component import ReferenceStatistics
from components.reference.settings import ReferenceSettings
from components.reviewed_schema.component import ReviewedSchema
from components.serving_check.component import ServingCheck
from pipeline import code, config
from pipeline.captions import caption_transform, encoder_features
from pipeline.nodes import IN_MEMORY_BEAM, IN_THREADS
from pipeline.paths import Paths
from pipeline.recipe import CaptionRecipe, ImageRecipe, Recipe

if TYPE_CHECKING:
    from tensorflow_data_validation import StatsOptions


def create_pipeline(recipe: Recipe, paths: Paths) -> pipeline.Pipeline:
    """Wire the components of a run.

    Args:
      recipe: What to run.
      paths: Where everything goes; only named here, nothing is created.

    Returns:
      The pipeline, with caching as the recipe says and metadata in SQLite.

    Raises:
      UserError: The recipe's parts do not fit together.
    """
    return pipeline.Pipeline(
        pipeline_name=recipe.name,
        pipeline_root=str(paths.artifacts),
        components=_components(recipe, paths),
        enable_cache=recipe.cache,
        metadata_connection_config=_sqlite(paths),
        beam_pipeline_args=list(recipe.beam.args or IN_MEMORY_BEAM),
    )


def _components(recipe: Recipe, paths: Paths) -> list[BaseNode]:
    data, schema = _data_components(recipe, paths)
    checked = data[-1].outputs["checked"]
    transform = None
    if isinstance(recipe, CaptionRecipe):
        transform = caption_transform(recipe.captions, checked, schema)
        _keyed_by_code(transform, "trainer")
        data.append(transform)
    reference = _reference(recipe, checked)
    before = [*data, *([reference] if reference else [])]
    return [*before, *_model_components(recipe, paths, checked, transform, reference)]


def _reference(recipe: Recipe, examples: BaseChannel) -> ReferenceStatistics | None:
    """Wire the look at the real data that images are judged by; before training, so that data and
    extractor that do not fit cost none.
    """
    if not isinstance(recipe, ImageRecipe):
        return None
    reference = ReferenceStatistics(examples, ReferenceSettings.of(recipe.evaluate))
    _keyed_by_code(
        reference,
        "components/datasets",
        "components/evaluator",
        "components/metrics",
        "components/reference",
    )
    _in_threads(reference, recipe)
    return reference


def _learned_from(recipe: Recipe, examples: BaseChannel) -> tuple[list[BaseNode], BaseChannel]:
    """Wire what stands between the checked examples and the Trainer."""
    if not (isinstance(recipe, CaptionRecipe) and recipe.model.cache_features):
        return [], examples
    features = encoder_features(recipe.model, examples)
    _keyed_by_code(features, "trainer", "components/encoder_features")
    _in_threads(features, recipe)
    return [features], features.outputs["featured"]


def statistics_options() -> StatsOptions:
    """Return how statistics are taken: by sketches, whose memory does not grow with the data."""
    # Not at the top: it can be imported only after TFX, which stands in for what it lacks.
    from tensorflow_data_validation import StatsOptions

    return StatsOptions(use_sketch_based_topk_uniques=True)


def _data_components(recipe: Recipe, paths: Paths) -> tuple[list[BaseNode], BaseChannel]:
    """Wire reading, describing and checking: nothing learns from data that did not pass."""
    dataset, source = recipe.data.dataset, recipe.data.source
    examples = TfdsExampleGen(
        dataset=dataset,
        source=source,
        splits={"train": recipe.data.train, "eval": recipe.data.eval},
        data_dir=paths.data,
        limit=recipe.data.limit,
    )
    schema = ReviewedSchema(dataset)
    # The schema tells which features are images: their bytes are then no words to be counted.
    statistics = StatisticsGen(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        stats_options=statistics_options(),
    )
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    data_check = DataCheck(
        examples=examples.outputs["examples"],
        anomalies=validator.outputs["anomalies"],
        dataset=dataset,
        source=source,
        checks=recipe.checks,
        state_dir=str(paths.data_state),
    )
    _keyed_by_code(examples, "components/datasets", "components/example_gen")
    _keyed_by_code(data_check, "components/datasets", "components/data_check")
    nodes = [examples, schema, statistics, validator, data_check]
    return nodes, schema.outputs["schema"]


def _model_components(
    recipe: Recipe,
    paths: Paths,
    examples: BaseChannel,
    transform: Transform | None,
    reference: ReferenceStatistics | None,
) -> list[BaseNode]:
    """Wire training and judging, and what follows from the verdict."""
    deployed = None
    if recipe.warm_start:
        deployed = Resolver(
            strategy_class=LatestBlessedModelStrategy,
            model=Channel(type=standard_artifacts.Model),
            model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("WarmStartResolver")
    before, learned_from = _learned_from(recipe, examples)
    trainer = Trainer(
        run_fn="trainer.run_fn.run_fn",  # named, never imported
        examples=learned_from,
        base_model=deployed.outputs["model"] if deployed else None,
        transform_graph=transform.outputs["transform_graph"] if transform else None,
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        custom_config={"trainer": _trainer_config(recipe, paths)},
    )
    baseline = Resolver(
        strategy_class=LatestOtherBlessedModelStrategy,
        candidate=trainer.outputs["model"],
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("BaselineResolver")
    evaluator = GenerativeEvaluator(
        model=trainer.outputs["model"],
        examples=examples,
        reference=reference.outputs["reference"] if reference else None,
        baseline_model=baseline.outputs["model"],
        model_run=trainer.outputs["model_run"],
        evaluation=recipe.evaluate.model_dump_json(),
    )
    _keyed_by_code(evaluator, "components/metrics", "components/evaluator", "components/datasets")
    _in_threads(evaluator, recipe)
    nodes = [*before, *([deployed] if deployed else []), trainer, baseline, evaluator]
    return [*nodes, *_deploy_components(recipe, paths, trainer, evaluator)]


def _deploy_components(
    recipe: Recipe, paths: Paths, trainer: Trainer, evaluator: GenerativeEvaluator
) -> list[BaseNode]:
    """Wire trying the model out, a person's word if one is asked for, and the push."""
    model, blessing = trainer.outputs["model"], evaluator.outputs["blessing"]
    serving_check = ServingCheck(
        model=model, code=code.fingerprint("serving", "components/serving_check")
    )
    nodes: list[BaseNode] = [serving_check]
    if recipe.approve.required:
        approval = Approval(
            model=model,
            evaluation=evaluator.outputs["evaluation"],
            model_blessing=blessing,
            infra_blessing=serving_check.outputs["blessing"],
            settings=recipe.approve,
            folder=str(paths.approvals),
            recipe=recipe.name,
        )
        nodes.append(approval)
        blessing = approval.outputs["blessing"]
    pusher = Pusher(
        model=model,
        model_blessing=blessing,
        infra_blessing=serving_check.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=str(paths.serving(recipe.push.model_name))
            )
        ),
    )
    return [*nodes, pusher]


def _sqlite(paths: Paths) -> ConnectionConfig:
    """Name the metadata file; TFX's own helper would already make its folder."""
    config = ConnectionConfig()
    config.sqlite.filename_uri = str(paths.metadata)
    config.sqlite.connection_mode = SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return config


def _keyed_by_code(component: BaseBeamComponent, *folders: str) -> None:
    """Let an edit of our code run a component again.

    TFX's cache key holds inputs, parameters and Beam options, not the code: so the Beam job's name
    carries the code's fingerprint.
    """
    name = type(component).__name__.lower()
    component.with_beam_pipeline_args([f"--job_name={name}-{code.fingerprint(*folders)}"])


def _in_threads(component: BaseBeamComponent, recipe: Recipe) -> None:
    """Let Beam ask models in threads, unless the recipe says how Beam runs."""
    if not recipe.beam.args:
        component.with_beam_pipeline_args(list(IN_THREADS))


def _trainer_config(recipe: Recipe, paths: Paths) -> str:
    rest = {"checkpoint_root": str(paths.checkpoints), "code": code.fingerprint("trainer")}
    return config.trainer_config(recipe, **rest).model_dump_json()
