"""Figure of the levels that a curriculum kept over time, from the snapshots of its buffer."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float
from matplotlib.figure import Figure

from groove.discovery.level_statistics import features_of
from groove.figure_style import BLUE, DOTS_PER_INCH, NothingToDraw
from groove.report.curriculum_snapshot import Snapshot
from groove.report.metrics_figures import FEATURES

QUANTILES = (0.1, 0.5, 0.9)


def draw_history(path: Path, snapshot: Snapshot) -> None:
    """Plot the scores and features of the levels kept at each snapshot: median, and the middle 80%.

    Args:
        path: path of the PNG.
        snapshot: snapshot of the curriculum, with its history.

    Raises:
        NothingToDraw: there are fewer than two snapshots with levels.
    """
    numbers = kept_over_time(snapshot)
    if len(next(iter(numbers.values()))) < 2:
        raise NothingToDraw("the run holds fewer than two snapshots of its buffer")
    generations = numbers.pop("generation")
    figure = Figure(figsize=(10, 6), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    labels = {"score": f"score ({snapshot.score_name})"} | FEATURES
    for axes, (name, quantiles) in zip(panels, numbers.items(), strict=False):
        low, median, high = quantiles.T
        axes.fill_between(generations, low, high, color=(BLUE, 0.25), linewidth=0)
        axes.plot(generations, median, ".-", color=BLUE, markersize=4)
        axes.set_ylabel(labels[name])
    for axes in panels[len(numbers) :]:
        axes.axis("off")
    figure.supxlabel(
        "generation (lines: median of the kept levels; bands: from the 10% to the 90% quantile)", fontsize=10
    )
    figure.savefig(path)


def kept_over_time(snapshot: Snapshot) -> dict[str, Float[np.ndarray, "S ..."]]:
    """Compute quantiles of the scores and features of the levels in the S snapshots that hold any.

    Args:
        snapshot: snapshot of the curriculum, with its history.

    Returns:
        "generation" [S]; "score", and the name of each feature of grid levels, [S, 3]: the 10%, 50% and 90% quantile
        of the numbers that are finite, NaN where none is.
    """
    history = {number: kept for number, kept in snapshot.history.items() if kept.filled.any()}
    rows: dict[str, list] = {
        "generation": list(history),
        "score": [_quantiles(k.score, k.filled) for k in history.values()],
    }
    if history:
        levels = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(kept.levels for kept in history.values()))
        features = jax.jit(features_of)(levels)
        for name in (name for name in FEATURES if name in features):
            of_each = np.split(np.asarray(features[name]), len(history))
            rows[name] = [_quantiles(v, k.filled) for v, k in zip(of_each, history.values(), strict=True)]
    return {name: np.asarray(values, float) for name, values in rows.items()}


def _quantiles(values: ArrayLike, filled: ArrayLike) -> Float[np.ndarray, "3"]:
    known = np.asarray(values)[np.asarray(filled) & np.isfinite(np.asarray(values))]
    return np.quantile(known, QUANTILES) if known.size else np.full(len(QUANTILES), np.nan)
