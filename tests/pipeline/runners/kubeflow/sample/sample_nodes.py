"""Small nodes for packages that run in seconds; a module of its own, as executors are imported."""

# ruff: noqa: N802 - components are called like classes
import os
import signal
from pathlib import Path

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing


@component
def Give(count: Parameter[int], factor: Parameter[float], numbers: OutputArtifact[Examples]):
    """Write numbers; die on the way when told to."""
    folder = Path(numbers.uri)
    (folder / f"part-of-{os.getpid()}.txt").write_text("unfinished")
    if os.environ.pop("SAMPLE_DIE", ""):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.pop("SAMPLE_TERM", ""):
        os.kill(os.getpid(), signal.SIGTERM)
    (folder / f"part-of-{os.getpid()}.txt").unlink()
    (folder / "numbers.txt").write_text(" ".join(str(i * factor) for i in range(count)))


@component
def Learn(numbers: InputArtifact[Examples], model: OutputArtifact[Model]):
    """Write a model in the layout that Pusher takes."""
    folder = Path(model.uri) / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text((Path(numbers.uri) / "numbers.txt").read_text())


@component
def Judge(
    least: Parameter[int], model: InputArtifact[Model], blessing: OutputArtifact[ModelBlessing]
):
    """Bless a model of enough numbers."""
    found = len((Path(model.uri) / "Format-Serving" / "saved_model.pb").read_text().split())
    blessing.set_int_custom_property("blessed", int(found >= least))
    blessing.set_string_custom_property("reasons", f"{found} numbers, at least {least} wanted")
    blessing.set_float_custom_property("found", float(found))
    (Path(blessing.uri) / "report.html").write_text(f"<p>{found} numbers</p>")


@component
def Tell(blessing: InputArtifact[ModelBlessing], note: OutputArtifact[Examples]):
    """Follow a verdict."""
    (Path(note.uri) / "numbers.txt").write_text("told")


@component
def Count(
    old: InputArtifact[Examples], latest: InputArtifact[Model], note: OutputArtifact[Examples]
):
    """Take what an importer and a resolver found."""
    text = (Path(old.uri) / "old.txt").read_text() + Path(latest.uri).name
    (Path(note.uri) / "note.txt").write_text(text)


def wire(folder: str) -> tfx.dsl.Pipeline:
    """Give -> Learn -> Judge -> Pusher; Tell and its follower under a condition; system nodes."""
    count = tfx.dsl.experimental.RuntimeParameter(name="number-count", ptype=int, default=3)
    least = tfx.dsl.experimental.RuntimeParameter(name="least", ptype=int, default=2)
    give = Give(count=count, factor=1.5)
    learn = Learn(numbers=give.outputs["numbers"])
    judge = Judge(model=learn.outputs["model"], least=least)
    blessed = judge.outputs["blessing"].future()[0].custom_property("blessed") == 1
    with tfx.dsl.Cond(blessed):
        tell = Tell(blessing=judge.outputs["blessing"])
    follower = Learn(numbers=tell.outputs["note"]).with_id("After_tell")
    pusher = tfx.components.Pusher(
        model=learn.outputs["model"],
        model_blessing=judge.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{folder}/serving")
        ),
    )
    old = tfx.dsl.Importer(
        source_uri=f"{folder}/old", artifact_type=Examples, reimport=True
    ).with_id("Old")
    latest = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        model=tfx.dsl.Channel(type=Model),
    ).with_id("Latest.model")
    latest.add_upstream_node(learn)
    count_node = Count(old=old.outputs["result"], latest=latest.outputs["model"])
    return tfx.dsl.Pipeline(
        pipeline_name="sample_pipeline",
        pipeline_root="gs://bucket/root",
        components=[give, learn, judge, tell, follower, pusher, old, latest, count_node],
        enable_cache=True,
    )
