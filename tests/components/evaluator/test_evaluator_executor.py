"""The node: blessing as TFX reads it, the JSON record and the self-contained page."""

import html.parser
import json
from pathlib import Path

import pytest
from PIL import Image
from tfx.components.util import model_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types import channel_utils, standard_artifacts

from components.evaluator.component import GenerativeEvaluator
from components.evaluator.executor import Executor
from components.evaluator.settings import parse
from components.reference.component import FeatureStatistics
from trainer.errors import UserError

FID = "fid_digits-cnn_300"


def artifact(kind, uri, number):
    made = kind()
    made.uri, made.id = str(uri), number
    return made


class Page(html.parser.HTMLParser):
    """Collects where a page points to, its tags and its text."""

    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def run(examples, in_memory, reference_of, tmp_path_factory):
    def call(model, bounds, run_log=None):
        root = tmp_path_factory.mktemp("node")
        (root / "model").mkdir()
        (root / "model" / "Format-Serving").symlink_to(model)
        inputs = {
            "model": [artifact(standard_artifacts.Model, root / "model", 17)],
            "examples": [artifact(standard_artifacts.Examples, examples, 1)],
        }
        if run_log:
            (root / "run").mkdir()
            (root / "run" / "metrics.jsonl").write_text(run_log)
            inputs["model_run"] = [artifact(standard_artifacts.ModelRun, root / "run", 2)]
        outputs = {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, root / "evaluation", 3)],
            "blessing": [artifact(standard_artifacts.ModelBlessing, root / "blessing", 4)],
        }
        settings = json.dumps({"extractor": "digits", "samples": 300, "thresholds": bounds})
        reference = artifact(FeatureStatistics, reference_of(parse(settings)), 5)
        inputs["reference"] = [reference]
        context = BaseBeamExecutor.Context(make_beam_pipeline_fn=in_memory)
        properties = {"settings": settings, "current_component_id": "GenerativeEvaluator"}
        Executor(context).Do(inputs, outputs, properties)
        return root, inputs, outputs

    return call


@pytest.fixture(scope="module")
def blessed(run, good):
    log = "\n".join(json.dumps({"step": s, "seconds": s, "loss_d": 1 / (s + 1)}) for s in range(9))
    return run(good, [{"metric": FID, "max": 1.0}], log)


@pytest.fixture(scope="module")
def refused(run, raising):
    return run(raising, [{"metric": FID, "max": 1.0}])


def test_blessing_is_what_pusher_and_resolver_read(blessed):
    root, inputs, outputs = blessed
    blessing = outputs["blessing"][0]
    assert [path.name for path in (root / "blessing").iterdir()] == ["BLESSED"]
    assert model_utils.is_model_blessed(blessing)
    assert blessing.get_string_custom_property("current_model") == inputs["model"][0].uri
    assert blessing.get_string_custom_property("component_id") == "GenerativeEvaluator"
    strategy = LatestBlessedModelStrategy()
    found = strategy._resolve(
        {"model": inputs["model"], "model_blessing": [blessing]}, "model", "model_blessing"
    )
    assert [model.id for model in found["model"]] == [17]


def test_record_holds_what_the_verdict_rests_on(blessed):
    record = json.loads((blessed[0] / "evaluation" / "evaluation.json").read_text())
    assert record["blessed"] is True and record["verdict"] == "BLESSED"
    assert 0 < record["scores"][FID]["error"] < record["scores"][FID]["value"] < 1.0
    assert record["protocol"]["reference_images"] == 500
    assert record["settings"]["thresholds"] == [{"metric": FID, "max": 1.0, "min": None}]
    assert len(record["model"]["fingerprint"]) == 64 and record["data"]["dataset"] == "digits"
    evaluation = blessed[2]["evaluation"][0]
    assert float(evaluation.get_string_custom_property(FID)) == pytest.approx(
        record["scores"][FID]["value"], rel=1e-5
    )


def test_page_is_one_file_with_verdict_pictures_and_curves(blessed):
    page = Page((blessed[0] / "evaluation" / "report.html").read_text(encoding="utf-8"))
    assert page.links and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not {"script", "link", "iframe"} & set(page.tags)
    for words in ("Blessed", FID, "within the bound of at most 1", "loss_d", "digits-cnn"):
        assert words in page.text
    assert len(page.links) == 10 * 2 + 10 * 4  # two strips a class; a sample and three neighbours


def test_sheet_has_a_row_for_each_class(blessed):
    with Image.open(blessed[0] / "evaluation" / "samples.png") as picture:
        assert picture.width > 10 * 56 and picture.height > 10 * 56


def test_refused_model_has_its_reason_everywhere(refused):
    root, _, outputs = refused
    assert [path.name for path in (root / "blessing").iterdir()] == ["NOT_BLESSED"]
    assert not model_utils.is_model_blessed(outputs["blessing"][0])
    reason = "the model raises for seeds 250 to 299"
    assert reason in outputs["blessing"][0].get_string_custom_property("blessing_message")
    record = json.loads((root / "evaluation" / "evaluation.json").read_text())
    assert record["blessed"] is False and record["scores"] == {}
    assert reason in record["reasons"][0]
    page = Page((root / "evaluation" / "report.html").read_text(encoding="utf-8"))
    assert "Not blessed" in page.text and reason in page.text


def test_nothing_is_left_lying_about(blessed, refused):
    for root in (blessed[0], refused[0]):
        names = {path.name for path in Path(root / "evaluation").iterdir()}
        assert names <= {"evaluation.json", "report.html", "samples.png"}


def test_component_checks_its_settings_when_the_pipeline_is_built():
    model = channel_utils.as_channel([standard_artifacts.Model()])
    examples = channel_utils.as_channel([standard_artifacts.Examples()])
    node = GenerativeEvaluator(model, examples, '{"extractor": "digits"}')
    assert set(node.outputs) == {"evaluation", "blessing"}
    with pytest.raises(UserError, match="samples"):
        GenerativeEvaluator(model, examples, '{"extractor": "digits", "samples": -1}')
