"""The report in a real browser: no sideways scrolling, both themes, at two widths."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from components.evaluator import report
from components.evaluator.evaluate import evaluate
from components.evaluator.settings import Bound, Evaluation

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
HEIGHT = 8000
PAPER = {"light": (246, 247, 249), "dark": (17, 20, 26)}
"""Background colour of each theme, as in base.html's style sheet."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def page(good, memorised, examples, reference_of, in_memory, tmp_path_factory):
    """Folder of a report with a baseline, a failed check, a remark and curves."""
    root = tmp_path_factory.mktemp("page")
    (root / "run").mkdir()
    rows = [{"step": s, "seconds": s, "loss_d": 1 / (s + 1), "loss_g": s**0.5} for s in range(50)]
    (root / "run" / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = Evaluation(
        extractor="digits",
        samples=200,
        thresholds=(
            Bound(metric="fid_digits-cnn_200", max=1.5),
            Bound(metric="nearest_train_distance", min=0.5),
        ),
        margins={"fid": 0.5},
    )
    scratch = str(root / "scratch")
    reference = reference_of(settings)
    result = evaluate(memorised, examples, settings, in_memory, scratch, reference, good)
    report.write(result, str(root / "report"), [str(root / "run")])
    return root / "report"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_the_page_fits_and_follows_the_theme(page, tmp_path, width, theme):
    shot = tmp_path / "shot.png"
    # A window narrower than 500 is widened by Chromium: a frame of the wanted width is not.
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<meta name="color-scheme" content="light dark"><body style="margin:0"><iframe src='
        f'"{page / "report.html"}" style="border:0;width:{width}px;height:{HEIGHT}px"></iframe>'
    )
    scheme = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    command = [
        CHROMIUM,
        *["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"],
        *["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"],
        *scheme,
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={max(width, 500)},{HEIGHT}",
        f"--screenshot={shot}",
        frame.as_uri(),
    ]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    picture = np.asarray(Image.open(shot).convert("RGB"))[:, :width]
    paper = (picture == PAPER[theme]).all(axis=2)
    assert paper.mean() > 0.02, "the theme's background is not there"
    # Nothing reaches into the margin on the right, as text that does not wrap would.
    content = ~paper
    assert not content[:, -8:].any()
    used = np.flatnonzero(content.any(axis=1))
    assert 800 < used[-1] < HEIGHT - 50, "the page is empty or cut off"
    # The samples are painted: their strips have both ends of the grey scale.
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
