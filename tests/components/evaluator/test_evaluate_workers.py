"""One worker, threads or processes, batches of 7 or 250: the figures are the same."""

import json
import subprocess
import sys

import pytest

FID = "fid_digits-cnn_500"
# Workers import what they run afresh: so each evaluation is a process of its own, as a node is.
PROGRAM = """
import json, sys
import apache_beam as beam
from components.evaluator.evaluate import evaluate
from components.evaluator.settings import Evaluation
from components.reference.measure import measure
from components.reference.settings import ReferenceSettings
model, examples, scratch, reference, workers, mode, batch = sys.argv[1:]
arguments = ["--runner=FnApiRunner", "--sdk_container_image=none"]
if workers != "1":
    arguments += [f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"]
if __name__ == "__main__":
    settings = Evaluation(extractor="digits", samples=500, batch_size=int(batch))
    make = lambda: beam.Pipeline(argv=arguments)
    measure(examples, ReferenceSettings.of(settings), make, reference)
    result = evaluate(model, examples, settings, make, scratch, reference)
    scores = result.candidate.scores.items()
    print(json.dumps({name: [score.value, score.error] for name, score in scores}))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def score(good, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    program = folder / "program.py"
    program.write_text(PROGRAM)

    def run(workers, mode, batch):
        scratch, reference = (folder / f"{name}-{mode}-{batch}" for name in ("scratch", "real"))
        given = [good, examples, scratch, reference, workers, mode, batch]
        command = [sys.executable, program, *map(str, given)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def one(score):
    return score(1, "in_memory", 250)


@pytest.mark.parametrize(("mode", "batch"), [("multi_processing", 7), ("multi_threading", 50)])
def test_figures_ignore_workers_and_batches(score, one, mode, batch):
    three = score(3, mode, batch)
    assert one[FID][0] > 0 and set(one) == set(three)
    for name, (value, error) in one.items():
        assert three[name][0] == pytest.approx(value, rel=1e-6), name
        assert three[name][1] == pytest.approx(error, rel=1e-4, abs=1e-12), name
