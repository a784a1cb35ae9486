"""Which model a candidate is compared with, and that an unchanged run asks the same question."""

import pytest
from tfx.types import standard_artifacts

from components.evaluator.baseline import LatestOtherBlessedModelStrategy


def model(number):
    made = standard_artifacts.Model()
    made.id = number
    return made


def blessing(of, blessed=1):
    made = standard_artifacts.ModelBlessing()
    made.set_int_custom_property("current_model_id", of)
    made.set_int_custom_property("blessed", blessed)
    return made


@pytest.mark.parametrize(
    ("candidate", "models", "blessings", "found"),
    [
        (1, [1], [], []),  # first run
        (1, [1], [blessing(1)], []),  # the same again, blessed by now: nothing new to compare with
        (2, [1, 2], [blessing(1)], [1]),
        (2, [1, 2], [blessing(1), blessing(2)], [1]),  # the same again
        (3, [1, 2, 3], [blessing(1), blessing(2, 0)], [1]),  # a refused one does not count
        (3, [1, 2, 3], [blessing(1), blessing(2)], [2]),
        (1, [1, 2], [blessing(1), blessing(2)], [2]),  # back to the settings of the first run
        (2, [1, 2], [blessing(1, 0)], []),
    ],
)
def test_the_latest_blessed_model_that_is_not_the_candidate(candidate, models, blessings, found):
    given = {
        "candidate": [model(candidate)],
        "model": [model(number) for number in models],
        "model_blessing": blessings,
    }
    resolved = LatestOtherBlessedModelStrategy().resolve_artifacts(None, given)
    assert [m.id for m in resolved["model"]] == found
    assert [m.id for m in resolved["candidate"]] == [candidate]
    assert len(resolved["model_blessing"]) == len(found)
