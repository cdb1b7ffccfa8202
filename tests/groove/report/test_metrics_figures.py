"""Figures over generations: the numbers in the metrics and their moving means."""

import numpy as np
import pytest

from groove.figure_style import NothingToDraw
from groove.records.json_lines import JsonLines
from groove.report.metrics_figures import column, draw_drift, draw_regret_over_time, smoothed
from tests.groove.kept_levels import CONFIG, write_metrics, write_run

NAN = float("nan")


@pytest.fixture
def rows(tmp_path):
    folder = write_run(tmp_path / "run")
    write_metrics(folder)
    return JsonLines(folder.metrics_path).rows()


def test_column_is_nan_where_there_is_no_number():
    rows = [{"a": 1.5}, {"a": None}, {}, {"a": "x"}, {"a": 2}]
    np.testing.assert_array_equal(column(rows, "a"), [1.5, NAN, NAN, NAN, 2])


@pytest.mark.parametrize(
    ("values", "window", "means"),
    [
        ([1, 2, 6, 3], 1, [1, 2, 6, 3]),
        ([1, 2, 6, 3], 3, [1.5, 3, 11 / 3, 4.5]),
        ([NAN, NAN, NAN, 2, 4], 3, [NAN, NAN, 2, 3, 3]),
        ([5], 3, [5]),
    ],
)
def test_smoothed_is_the_mean_of_the_numbers_around(values, window, means):
    np.testing.assert_allclose(smoothed(np.array(values, float), window), means)


def test_regret_over_time_draws_new_and_replayed_levels(tmp_path, rows, drawn):
    draw_regret_over_time(tmp_path / "regret.png", rows, "algorithmic_regret")
    (axes,) = drawn[0].axes
    new, _, replayed, _ = (line.get_ydata() for line in axes.lines[:4])
    np.testing.assert_allclose(new, 0.1 * np.arange(12))
    np.testing.assert_allclose(replayed[4:], 0.2 * np.arange(4, 12))
    assert np.isnan(replayed[:4]).all() and axes.get_ylabel() == "mean algorithmic regret (return)"
    assert drawn[0].get_supxlabel() == "generation (points: each; lines: mean over 3 generations)"


def test_regret_over_time_draws_another_score_below(tmp_path, rows, drawn):
    draw_regret_over_time(tmp_path / "both.png", rows, "exact_regret")
    assert [axes.get_ylabel() for axes in drawn[0].axes] == [
        "mean algorithmic regret (return)",
        "mean score (exact_regret)",
    ]
    np.testing.assert_allclose(drawn[0].axes[1].lines[0].get_ydata(), 1 + 0.1 * np.arange(12))
    unmeasured = [{**row, "regret_new": None, "regret_replayed": None, "score_replayed": None} for row in rows]
    draw_regret_over_time(tmp_path / "score.png", unmeasured, "learnability")
    (axes,) = drawn[1].axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["new"]


def test_drift_draws_each_feature(tmp_path, rows, drawn):
    draw_drift(tmp_path / "drift.png", rows, CONFIG)
    *panels, corner = drawn[0].axes
    labels = [axes.get_ylabel() for axes in panels]
    assert [label.split()[1] for label in labels] == ["side", "walls", "objects", "horizon", "path"]
    for number, axes in enumerate(panels, start=2):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), number + 0.1 * np.arange(12))
    legend = [text.get_text() for text in corner.get_legend().get_texts()]
    assert legend == ["new (what DR draws)", "replayed"]


def test_drift_of_accel_is_drawn_against_the_distribution(tmp_path, rows, drawn):
    draw_drift(tmp_path / "drift.png", rows, CONFIG.replaced(curriculum="accel"))
    *panels, corner = drawn[0].axes
    legend = [text.get_text() for text in corner.get_legend().get_texts()]
    assert legend == ["new (edits; emptied levels at first)", "replayed", "what DR draws"]
    # "small" levels have sides of 4 to 6 and up to 3 objects.
    side, objects = (panels[number].lines[-1].get_ydata()[0] for number in (0, 2))
    assert 4.5 < side < 5.5 and 1.5 < objects < 2.5


def test_metrics_without_the_numbers_are_reported(tmp_path):
    for rows in ([], [{"generation": 0, "regret_new": None}]):
        with pytest.raises(NothingToDraw, match="no regret and no score yet"):
            draw_regret_over_time(tmp_path / "none.png", rows, "algorithmic_regret")
        with pytest.raises(NothingToDraw, match="no features of grid levels"):
            draw_drift(tmp_path / "none.png", rows, CONFIG)
