"""Curves from a run's log: torn lines, gaps and numbers that are none."""

import json

from components.evaluator import curves


def test_points_by_hand():
    rows = [{"step": 0, "seconds": 1.0, "loss": 4.0}, {"step": 10, "seconds": 2.0, "loss": 2.0}]
    (curve,) = curves.draw(rows)
    assert (curve.name, curve.low, curve.high, curve.last, curve.steps) == ("loss", 2, 4, 2, 10)
    assert curve.line == f"0.0,0.0 {curves.WIDTH:.1f},{curves.HEIGHT:.1f}"


def test_long_logs_are_thinned_to_means_within_a_band():
    rows = [{"step": step, "loss": float(step % 2)} for step in range(10_000)]
    (curve,) = curves.draw(rows)
    assert len(curve.line.split()) <= curves.POINTS
    assert (curve.low, curve.high) == (0.0, 1.0)
    assert abs(curve.last - 0.5) < 0.05


def test_torn_lines_and_values_that_are_no_numbers_are_skipped():
    lines = [json.dumps({"step": s, "loss": 1.0 / (s + 1), "note": "x"}) for s in range(5)]
    text = "\n".join([*lines, '{"step": 5, "loss": NaN}', '{"step": 6, "lo'])
    (curve,) = curves.draw(curves.parse(text))
    assert curve.name == "loss" and curve.steps == 4


def test_a_run_folder_without_a_log_gives_no_curves(tmp_path):
    assert curves.find([str(tmp_path)]) == []
    folder = tmp_path / "deep" / "run"
    folder.mkdir(parents=True)
    (folder / curves.METRICS_FILE).write_text('{"step":0,"a":1}\n{"step":1,"a":2}\n')
    assert [curve.name for curve in curves.find([str(tmp_path)])] == ["a"]
