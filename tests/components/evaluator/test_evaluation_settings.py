"""The evaluation parameter: what is accepted and how a mistake is named."""

import pytest

from components.evaluator.settings import Bound, parse
from trainer.errors import UserError


def test_defaults_and_bounds():
    found = parse('{"extractor": "digits", "thresholds": [{"metric": "recall", "min": 0.5}]}')
    assert (found.samples, found.reference_split, found.comparison_split) == (2000, "eval", "train")
    assert found.thresholds == (Bound(metric="recall", min=0.5),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ("{}", "extractor: Field required"),
        ('{"extractor": "digits", "sample": 3}', "sample: Extra inputs are not permitted"),
        ('{"extractor": "digits", "samples": 0}', "samples: Input should be greater than 0"),
        ('{"extractor": "d", "thresholds": [{"metric": "fid", "maximum": 1}]}', "0.maximum"),
        ('{"extractor": "d", "margins": {"fid": -1}}', "margins.fid"),
    ],
)
def test_mistakes_are_named(text, words):
    with pytest.raises(UserError) as caught:
        parse(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)
