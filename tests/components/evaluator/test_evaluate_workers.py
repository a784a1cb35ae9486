"""Worker processes: one or three, batches of 7 or 250, the figures are the same."""

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
model, examples, scratch, reference, workers, batch = sys.argv[1:]
arguments = ["--runner=FnApiRunner", "--sdk_container_image=none"]
if workers != "1":
    arguments += [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"]
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

    def run(workers, batch):
        scratch = folder / f"scratch-{workers}-{batch}"
        given = [good, examples, scratch, folder / f"reference-{workers}", workers, batch]
        command = [sys.executable, program, *map(str, given)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_figures_ignore_worker_processes_and_batches(score):
    one = score(1, 250)
    three = score(3, 7)
    assert one[FID][0] > 0 and set(one) == set(three)
    for name, (value, error) in one.items():
        assert three[name][0] == pytest.approx(value, rel=1e-6), name
        assert three[name][1] == pytest.approx(error, rel=1e-4, abs=1e-12), name
