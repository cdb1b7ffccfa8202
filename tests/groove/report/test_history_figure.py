"""The figure of a buffer over time, on levels whose numbers are known."""

import dataclasses

import numpy as np
import pytest

from groove.figure_style import NothingToDraw
from groove.report.curriculum_snapshot import read_snapshot
from groove.report.history_figure import draw_history, kept_over_time
from groove.report.metrics_figures import FEATURES
from tests.groove.kept_levels import CONFIG, GENERATION, kept_buffer, write_run


def test_quantiles_of_each_snapshot_are_drawn(tmp_path, drawn):
    snapshot = read_snapshot(write_run(tmp_path / "run", curriculum=kept_buffer()), CONFIG)
    numbers = kept_over_time(snapshot)
    assert set(numbers) == {"generation", "score", *FEATURES}
    np.testing.assert_array_equal(numbers["generation"], [GENERATION // 2, GENERATION])
    # The fifth level has no score.
    np.testing.assert_allclose(numbers["score"], [np.quantile([0.25, 0.5, 0.75, 1.0], [0.1, 0.5, 0.9])] * 2)
    # All five are corridors of 1 × 4 cells, their prize one move away.
    np.testing.assert_allclose(numbers["side"], 2.0)
    np.testing.assert_allclose(numbers["path_length"], 1.0)
    draw_history(tmp_path / "history.png", snapshot)
    axes = drawn[0].axes
    assert [panel.get_ylabel() for panel in axes] == ["score (algorithmic_regret)", *FEATURES.values()]
    np.testing.assert_allclose(axes[0].lines[0].get_xydata(), [[10, 0.625], [20, 0.625]])


def test_one_snapshot_is_no_history(tmp_path):
    snapshot = read_snapshot(write_run(tmp_path / "run", curriculum=kept_buffer()), CONFIG)
    once = dataclasses.replace(snapshot, history={GENERATION: snapshot.history[GENERATION]})
    for few in (once, dataclasses.replace(snapshot, history={})):
        with pytest.raises(NothingToDraw, match="^the run holds fewer than two snapshots of its buffer$"):
            draw_history(tmp_path / "history.png", few)
