"""Figures of the levels that a curriculum keeps: a gallery, their chances of replay, and two regrets compared."""

from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator
from scipy.stats import spearmanr

from groove.figure_style import BLUE, DOTS_PER_INCH, GREY, NothingToDraw
from groove.report.curriculum_report import groups, noise_note, number, regret_text
from groove.report.curriculum_snapshot import Snapshot
from levels.gallery import render_gallery
from levels.level import Level
from levels.solver import exact_grid

MOST_COMPARED = 256


def compared_rows(snapshot: Snapshot) -> list[int]:
    """Choose rows whose two regrets are compared: all, or at most MOST_COMPARED evenly spaced by rank.

    Args:
        snapshot: snapshot of the curriculum.

    Returns:
        Rows in 0..n - 1, ascending; none if the world has no exact solver or the levels have no antagonists.
    """
    known = np.flatnonzero(np.isfinite(snapshot.regret))
    if exact_grid(snapshot.world) is None or not len(known):
        return []
    places = np.linspace(0, len(known) - 1, min(len(known), MOST_COMPARED)).round().astype(int)
    return known[places].tolist()


def draw_gallery(path: Path, snapshot: Snapshot, num_rows: int) -> None:
    """Draw the top, median and bottom levels, a line of each, with their regrets and returns.

    Args:
        path: path of the PNG.
        snapshot: snapshot, solved in the rows shown.
        num_rows: levels in each group, ≥ 1.

    Raises:
        NothingToDraw: the levels are not grids, or none are kept.
    """
    if not isinstance(snapshot.kept.levels, Level):
        raise NothingToDraw(f"the levels of {snapshot.config.world.levels} are not grids")
    _need_levels(snapshot)
    shown = groups(len(snapshot), num_rows)
    tiles = [
        [(_title(snapshot, group, place, row), snapshot.level(row)) for place, row in enumerate(rows)]
        for group, rows in shown.items()
    ]
    caption = (
        f"Score: {snapshot.score_name}. Returns are sums of rewards in an episode: means for antagonists and agents, "
        "exact for the optimum, the return of the best policy. Regret: the antagonists' return minus the agents', ± "
        "its standard error over antagonists. A dash: not known."
    )
    note = noise_note(snapshot, [row for rows in shown.values() for row in rows])
    imsave(path, render_gallery(tiles, [caption, note] if note else [caption]))


def _title(snapshot: Snapshot, group: str, place: int, row: int) -> str:
    kept = snapshot.kept
    antagonist, optimum = kept.extras.antagonist_mean[row], kept.extras.optimal_return[row]
    lines = [
        f"{group} {place + 1}: level {kept.identity[row]}, score {number(kept.score[row])}",
        f"regret {regret_text(snapshot, row)}",
        f"antagonist {number(antagonist)}, agent {number(kept.agent_return[row])}",
        f"optimum {number(optimum)}",
    ]
    return "\n".join(lines)


def draw_sampling(path: Path, snapshot: Snapshot) -> None:
    """Plot the chance of replay against the score.

    Args:
        path: path of the PNG.
        snapshot: snapshot of the curriculum.

    Raises:
        NothingToDraw: no level can be drawn.
    """
    drawable = snapshot.chance > 0
    if not drawable.any():
        raise NothingToDraw("none of the kept levels can be drawn")
    figure = Figure(figsize=(7, 4.5), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    score, chance = snapshot.ranked[drawable], snapshot.chance[drawable]
    points = axes.scatter(score, chance, color=BLUE, s=22, edgecolors="white", linewidths=0.4)
    if snapshot.counts_visits:
        points.set_array(np.asarray(snapshot.kept.age)[drawable])
        points.set_cmap("cividis")
        figure.colorbar(points, label="age (generations since last drawn)", ticks=MaxNLocator(integer=True))
    axes.axhline(1 / len(score), color=GREY, linestyle="--", linewidth=1, label="equal share", zorder=0)
    axes.set_yscale("log")
    # Keeps a sensible scale even if all chances are equal.
    axes.set_ylim(chance.min() / 2, chance.max() * 2)
    by = f", {snapshot.config.replay.score_uncertainty}" if snapshot.ranked_otherwise else ""
    axes.set_xlabel(f"score ({snapshot.score_name}{by})")
    axes.set_ylabel("probability of being in the next batch")
    axes.legend()
    axes.set_title(f"a batch replays {chance.sum():.0f} of {len(score)} levels", fontsize=11)
    figure.savefig(path)


def draw_regret_vs_exact(path: Path, snapshot: Snapshot) -> None:
    """Plot algorithmic regret against exact regret, with Spearman's correlation of the two.

    Args:
        path: path of the PNG.
        snapshot: snapshot, solved in the rows to compare.

    Raises:
        NothingToDraw: there is no exact solver, there are no antagonists, or fewer than three levels can be compared.
    """
    if exact_grid(snapshot.world) is None:
        raise NothingToDraw(f"{snapshot.config.world.levels} has no exact solver")
    _need_levels(snapshot)
    if not np.isfinite(snapshot.regret).any():
        raise NothingToDraw(f"a curriculum scored by {snapshot.score_name} trains no antagonists")
    known = np.isfinite(snapshot.regret) & np.isfinite(snapshot.exact_regret)
    if known.sum() < 3:
        raise NothingToDraw("fewer than three levels are kept")
    regret, exact = snapshot.regret[known], snapshot.exact_regret[known]
    error = np.nan_to_num(np.asarray(snapshot.kept.extras.antagonist_standard_error)[known])
    figure = Figure(figsize=(6, 5.2), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.errorbar(exact, regret, error, fmt="o", markersize=4, color=BLUE, ecolor=(BLUE, 0.35), elinewidth=1)
    ends = [min(exact.min(), regret.min()), max(exact.max(), regret.max())]
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="antagonist = best policy", zorder=0)
    axes.set_xlabel("exact regret (return of the best policy − agents')")
    axes.set_ylabel("algorithmic regret ± standard error\n(antagonists' return − agents')")
    axes.legend(loc="upper left")
    axes.set_title(
        f"Spearman's correlation {_correlation(exact, regret)} over {known.sum()} kept levels (same agents)",
        fontsize=11,
    )
    note = noise_note(snapshot, np.flatnonzero(known).tolist())
    if note is not None:
        figure.supxlabel(fill(note, 80), fontsize=9)
    figure.savefig(path)


def _correlation(first: np.ndarray, second: np.ndarray) -> str:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return "undefined"
    return f"{spearmanr(first, second).statistic:.2f}"


def _need_levels(snapshot: Snapshot) -> None:
    if not len(snapshot):
        raise NothingToDraw("no level is kept yet")
