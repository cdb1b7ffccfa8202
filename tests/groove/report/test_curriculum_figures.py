"""Figures of kept levels: what they show, read back from the figures, and what cannot be drawn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.image import imread

from groove.figure_style import NothingToDraw
from groove.report.curriculum_figures import (
    MOST_COMPARED,
    compared_rows,
    draw_gallery,
    draw_regret_vs_exact,
    draw_sampling,
)
from groove.report.curriculum_report import noise_note
from groove.report.curriculum_snapshot import read_snapshot
from levels.worlds.random_grid import RandomGrid
from tests.groove.kept_levels import CONFIG, PRIZES, kept_buffer, learnability_state, write_run


@pytest.fixture
def snapshot(tmp_path):
    read = read_snapshot(write_run(tmp_path / "run", curriculum=kept_buffer()), CONFIG)
    optimum = np.array(PRIZES, np.float32)[[4, 1, 2, 0, 3]]
    extras = read.kept.extras.replace(optimal_return=jnp.asarray(optimum))
    return dataclasses.replace(read, kept=read.kept.replace(extras=extras))


@pytest.fixture
def empty(tmp_path):
    return read_snapshot(write_run(tmp_path / "empty"), CONFIG)


def inside(figure):
    """Return whether all text lies within the figure."""
    texts = [axes.title for axes in figure.axes] + [axes.xaxis.label for axes in figure.axes]
    texts += [axes.yaxis.label for axes in figure.axes]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    width, height = figure.bbox.size
    return all(min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


@pytest.fixture
def tiles(monkeypatch):
    """The rows and notes of the galleries that were drawn."""
    drawings = []

    def keep(rows, notes):
        drawings.append((rows, notes))
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr("groove.report.curriculum_figures.render_gallery", keep)
    return drawings


def test_gallery_has_a_line_of_tiles_for_each_group(tmp_path, snapshot, tiles):
    draw_gallery(tmp_path / "gallery.png", snapshot, 1)
    rows, _ = tiles[0]
    assert [float(level.object_rewards[0]) for ((_, level),) in rows] == [0.625, 0.875, 0.5]
    assert [title for ((title, _),) in rows] == [
        "top 1: level 12, score 1.000\nregret 1.000 ± 0.100\nantagonist 0.750, agent -0.250\noptimum 0.625",
        "median 1: level 4, score 0.500\nregret 0.500 ± 0.100\nantagonist 0.750, agent 0.250\noptimum 0.875",
        "bottom 1: level 17, score –\nregret 0.500 ± 0.100\nantagonist 0.500, agent 0.000\noptimum 0.500",
    ]
    draw_gallery(tmp_path / "gallery.png", snapshot, 2)
    assert [len(row) for row in tiles[1][0]] == [2, 1, 2]


def test_gallery_says_what_its_numbers_are(tmp_path, snapshot, tiles):
    draw_gallery(tmp_path / "gallery.png", snapshot, 1)
    caption, note = tiles[0][1]
    assert caption.startswith("Score: algorithmic_regret. Returns are sums of rewards in an episode")
    assert note == noise_note(snapshot, [0])
    solved = snapshot.kept.extras.replace(optimal_return=jnp.full(5, 2.0))
    draw_gallery(tmp_path / "gallery.png", dataclasses.replace(snapshot, kept=snapshot.kept.replace(extras=solved)), 1)
    assert tiles[1][1] == [caption], "nothing exceeds the optimum"


def test_gallery_is_written(tmp_path, snapshot):
    draw_gallery(tmp_path / "gallery.png", snapshot, 2)
    picture = imread(tmp_path / "gallery.png")
    # Corridors of 4 × 1 cells, 96 pixels each, in two columns and three rows, below titles of four lines.
    assert picture.shape[1] == 2 * (384 + 12) + 12 and picture.shape[0] > 3 * (4 * 24 + 96)


def test_sampling_shows_chances_against_scores(tmp_path, snapshot, drawn):
    draw_sampling(tmp_path / "sampling.png", snapshot)
    points = drawn[0].axes[0].collections[0].get_offsets()
    # Lower bounds: two standard errors of 0.1 below the scores.
    np.testing.assert_allclose(points[:, 0], [0.8, 0.55, 0.3, 0.05], rtol=1e-5)
    assert drawn[0].axes[0].get_xlabel() == "score (algorithmic_regret, lower_bound)"
    np.testing.assert_allclose(points[:, 1], snapshot.chance[:4])
    assert drawn[0].axes[0].collections[0].get_array().tolist() == [5, 2, 5, 10], "coloured by age"
    title = drawn[0].axes[0].get_title()
    assert title == "a batch replays 1 of 4 levels" and inside(drawn[0])


def test_sampling_of_equal_chances_has_a_scale(tmp_path, drawn):
    config = CONFIG.replaced(curriculum="sfl")
    of_sfl = read_snapshot(write_run(tmp_path / "sfl", config, learnability_state()), config)
    draw_sampling(tmp_path / "sampling.png", of_sfl)
    assert drawn[0].axes[0].get_ylim() == pytest.approx((0.125, 0.5)) and len(drawn[0].axes) == 1


def test_regrets_are_compared_by_rank(tmp_path, snapshot, drawn):
    draw_regret_vs_exact(tmp_path / "regret.png", snapshot)
    axes = drawn[0].axes[0]
    # By exact regret .875, .875, .625, .25, .5; by algorithmic regret 1, .75, .5, .25, .5.
    points = axes.lines[0].get_xydata()
    np.testing.assert_allclose(points, [[0.875, 1], [0.875, 0.75], [0.625, 0.5], [0.25, 0.25], [0.5, 0.5]])
    # Ranks 4.5, 4.5, 3, 1, 2 and 5, 4, 2.5, 1, 2.5: covariance 9 / (9.5 · 9.5)^(1/2).
    assert axes.get_title() == "Spearman's correlation 0.95 over 5 kept levels (same agents)" and inside(drawn[0])
    assert drawn[0].get_supxlabel().replace("\n", " ") == noise_note(snapshot, [0])


def test_regrets_below_the_exact_ones_need_no_note(tmp_path, snapshot, drawn):
    solved = snapshot.kept.extras.replace(optimal_return=jnp.full(5, 2.0))
    kept = snapshot.kept.replace(extras=solved)
    draw_regret_vs_exact(tmp_path / "regret.png", dataclasses.replace(snapshot, kept=kept))
    assert drawn[0].get_supxlabel() == ""


def test_correlation_without_spread_is_undefined(tmp_path, snapshot, drawn):
    alike = snapshot.kept.replace(agent_return=snapshot.kept.extras.optimal_return)
    draw_regret_vs_exact(tmp_path / "regret.png", dataclasses.replace(snapshot, kept=alike))
    assert drawn[0].axes[0].get_title() == "Spearman's correlation undefined over 5 kept levels (same agents)"


def test_compared_rows_spread_through_the_ranks(snapshot):
    assert compared_rows(snapshot) == [0, 1, 2, 3, 4]
    many = dataclasses.replace(snapshot, kept=_repeated(snapshot.kept, 1000))
    rows = compared_rows(many)
    assert len(rows) == len(set(rows)) == MOST_COMPARED and (rows[0], rows[-1]) == (0, 999)
    assert max(np.diff(rows)) <= 4
    assert compared_rows(dataclasses.replace(snapshot, world=RandomGrid())) == []


def _repeated(kept, num_levels):
    rows = np.resize(np.arange(kept.capacity), num_levels)
    return jax.tree.map(lambda x: x[rows] if x.ndim else x, kept)


def test_what_cannot_be_drawn_is_reported(tmp_path, snapshot, empty):
    path = tmp_path / "none.png"
    with pytest.raises(NothingToDraw, match="no level is kept yet"):
        draw_gallery(path, empty, 5)
    with pytest.raises(NothingToDraw, match="none of the kept levels can be drawn"):
        draw_sampling(path, empty)
    with pytest.raises(NothingToDraw, match="no level is kept yet"):
        draw_regret_vs_exact(path, empty)
    with pytest.raises(NothingToDraw, match="small has no exact solver"):
        draw_regret_vs_exact(path, dataclasses.replace(snapshot, world=RandomGrid()))
    with pytest.raises(NothingToDraw, match="fewer than three levels"):
        draw_regret_vs_exact(path, dataclasses.replace(snapshot, kept=_repeated(snapshot.kept, 2)))
    chains = dataclasses.replace(snapshot, kept=snapshot.kept.replace(levels={"length": jnp.zeros(5)}))
    with pytest.raises(NothingToDraw, match="the levels of small are not grids"):
        draw_gallery(path, chains, 5)
    untrained = snapshot.kept.replace(extras=snapshot.kept.extras.replace(antagonist_mean=jnp.full(5, jnp.nan)))
    with pytest.raises(NothingToDraw, match="by algorithmic_regret trains no antagonists"):
        draw_regret_vs_exact(path, dataclasses.replace(snapshot, kept=untrained))
    assert not path.exists()
