"""The node on captioners: blessing, record, captions and the self-contained page."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from tfx.components.util import model_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import channel_utils, standard_artifacts

from components.evaluator.captions import pictures
from components.evaluator.component import GenerativeEvaluator
from components.evaluator.executor import Executor
from trainer.errors import UserError

BOUNDS = [{"metric": "token_loss", "max": 1.0}, {"metric": "true_facts", "min": 0.9}]


def artifact(kind, uri, number):
    made = kind()
    made.uri, made.id = str(uri), number
    return made


@pytest.fixture(scope="module")
def run(scene_examples, in_memory, tmp_path_factory):
    def call(model, baseline=None):
        root = tmp_path_factory.mktemp("node")
        inputs = {"examples": [artifact(standard_artifacts.Examples, scene_examples, 1)]}
        for number, (key, path) in enumerate({"model": model, "baseline_model": baseline}.items()):
            if path:
                (root / key).mkdir()
                (root / key / "Format-Serving").symlink_to(path)
                inputs[key] = [artifact(standard_artifacts.Model, root / key, 17 + number)]
        outputs = {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, root / "evaluation", 3)],
            "blessing": [artifact(standard_artifacts.ModelBlessing, root / "blessing", 4)],
        }
        settings = {"task": "caption", "thresholds": BOUNDS, "gallery": 5}
        settings["margins"] = {"cider_d": 0.1}
        context = BaseBeamExecutor.Context(make_beam_pipeline_fn=in_memory)
        Executor(context).Do(inputs, outputs, {"settings": json.dumps(settings)})
        return root, outputs

    return call


@pytest.fixture(scope="module")
def blessed(run, knowing, blind):
    return run(knowing, blind)


def test_the_blessing_names_model_and_baseline(blessed):
    root, outputs = blessed
    blessing = outputs["blessing"][0]
    assert [path.name for path in (root / "blessing").iterdir()] == ["BLESSED"]
    assert model_utils.is_model_blessed(blessing)
    assert blessing.get_int_custom_property("baseline_model_id") == 18


def test_the_record_holds_scores_yardsticks_and_protocol(blessed, scenes):
    root, outputs = blessed
    record = json.loads((root / "evaluation" / "evaluation.json").read_text())
    assert record["verdict"] == "BLESSED" and record["settings"]["task"] == "caption"
    assert record["scores"]["token_loss"]["value"] == pytest.approx(0.5)
    assert record["baseline_scores"]["token_loss"]["value"] == pytest.approx(1.25)
    constant, human = record["constant_scores"]["cider_d"], record["real_data_scores"]["cider_d"]
    assert human["value"] > constant["value"] > 0
    assert (record["protocol"]["images"], record["protocol"]["references"]) == (60, 300)
    told = outputs["evaluation"][0].get_string_custom_property("bleu_4")
    assert float(told) == pytest.approx(record["scores"]["bleu_4"]["value"], rel=1e-5)
    lines = (root / "evaluation" / "captions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["caption"] for row in rows] == [row[2][0] for row in scenes["eval"]]
    assert {row["deployed"] for row in rows} == {"a red circle"}


def test_the_page_shows_photographs_captions_references_and_attention(blessed, scenes):
    page = (blessed[0] / "evaluation" / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("data:image/") for link in links)
    assert not re.search(r"<(script|link|iframe)|url\(", page)
    words = [word for row in scenes["eval"][:5] for word in row[2][0].split()]
    assert len(links) == 5 + len(words)  # photographs, and a map for every word
    for _, _, captions, _ in scenes["eval"][:5]:
        assert f"<h3>{captions[0]}</h3>" in page
        assert all(f"<li>{text}</li>" in page for text in captions)
    shown = page.count("facts true")
    assert shown == 5 and "<b>deployed</b> a red circle" in page
    for heading in ("Deployed", "Human", "Constant"):
        assert f"<th>{heading}</th>" in page


def test_the_sheet_shows_the_same_photographs(blessed):
    with Image.open(blessed[0] / "evaluation" / "samples.png") as picture:
        columns = pictures.COLUMNS * (pictures.CELL + pictures.MARGIN) + pictures.MARGIN
        assert picture.width == columns and picture.height > 2 * pictures.CELL


def test_a_captioner_that_breaks_the_contract_has_its_reason_everywhere(run, export):
    root, outputs = run(export({}, [], 1.0, signatures=("caption",)))
    reason = "the model has no signature 'score' (it has: caption)"
    assert [path.name for path in (root / "blessing").iterdir()] == ["NOT_BLESSED"]
    assert outputs["blessing"][0].get_string_custom_property("blessing_message") == reason
    record = json.loads((root / "evaluation" / "evaluation.json").read_text())
    assert record["reasons"] == [reason] and record["scores"] == {}
    page = (root / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "The model could not be scored" in page and "no signature &#39;score&#39;" in page
    names = {path.name for path in (root / "evaluation").iterdir()}
    assert names == {"evaluation.json", "report.html"}


def test_a_place_without_attention_is_dim_and_the_largest_keeps_its_brightness():
    white = Image.new("RGB", (64, 64), (200, 200, 200))
    attention = np.zeros((4, 4), np.float32)
    attention[0, 0] = 0.3
    lit = np.asarray(pictures.looked_at(white, attention))
    assert lit[4, 4].max() >= 190 and lit[60, 60].max() == 70


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "RGB"])
def test_photographs_of_every_kind_become_small_pictures(mode):
    buffer = io.BytesIO()
    Image.new(mode, (640, 320)).save(buffer, "JPEG" if mode in ("CMYK", "RGB") else "PNG")
    picture = pictures.decode(buffer.getvalue())
    assert (picture.mode, picture.size) == ("RGB", (320, 160))
    uri = pictures.data_uri(picture)
    assert uri.startswith("data:image/jpeg;base64,")
    assert base64.b64decode(uri.split(",")[1])[:2] == b"\xff\xd8"


@pytest.mark.parametrize("image", [b"", b"no image", b"\xff\xd8\xff\xe0 torn"])
def test_what_is_no_photograph_is_a_grey_square(image):
    assert pictures.decode(image).getcolors() == [((pictures.SIDE // 2) ** 2, pictures.GREY)]


def test_the_component_takes_settings_of_both_tasks():
    model = channel_utils.as_channel([standard_artifacts.Model()])
    examples = channel_utils.as_channel([standard_artifacts.Examples()])
    node = GenerativeEvaluator(model, examples, '{"task": "caption", "limit": 100}')
    assert set(node.outputs) == {"evaluation", "blessing"}
    with pytest.raises(UserError, match="extractor: Extra inputs are not permitted"):
        GenerativeEvaluator(model, examples, '{"task": "caption", "extractor": "digits"}')
