"""Figures of a curriculum over the generations of a run, from its metrics."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groove.building import build_generator
from groove.config import TrainConfig
from groove.discovery.level_statistics import features_of
from groove.figure_style import BLUE, DOTS_PER_INCH, GREY, VERMILLION, NothingToDraw

Rows = list[dict[str, Any]]

FEATURES = {
    "side": "side √(height · width) (cells)",
    "walls": "walls (cells)",
    "objects": "objects",
    "horizon": "horizon (steps)",
    "path_length": "path to a prize (moves)",
}
"""Label of each feature that the metrics record for new and replayed levels."""

COLORS = {"new": BLUE, "replayed": VERMILLION}
SMOOTHED_SHARE = 0.1
"""Share of all generations that the moving mean spans."""

NUM_REFERENCES = 256


def column(rows: Rows, name: str) -> Float[np.ndarray, "n"]:
    """Return a metric of each generation.

    Args:
        rows: rows of the metrics.
        name: name of the metric.

    Returns:
        [n] values, NaN where a row has no number under that name.
    """
    values = [row.get(name) for row in rows]
    return np.array([value if isinstance(value, (int, float)) else np.nan for value in values], float)


def smoothed(values: Float[np.ndarray, "n"], window: int) -> Float[np.ndarray, "n"]:
    """Return the moving mean, ignoring NaN.

    Args:
        values: [n] values, NaN where there is no number.
        window: odd size of the centred window, which is cut off at the ends.

    Returns:
        [n] means, NaN where the window contains no number.
    """
    known = np.isfinite(values)
    around = np.ones(window)
    pad = window // 2
    counts = np.convolve(np.pad(known.astype(float), pad), around, mode="valid").round()
    sums = np.convolve(np.pad(np.where(known, values, 0.0), pad), around, mode="valid")
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def draw_regret_over_time(path: Path, rows: Rows, score_name: str) -> None:
    """Plot the regret and score of new and replayed levels over generations.

    Args:
        path: path of the PNG.
        rows: rows of the metrics.
        score_name: name of the score that the curriculum ranks levels by.

    Raises:
        NothingToDraw: the metrics hold neither.
    """
    labels = {"regret": "algorithmic regret (return)", "score": f"score ({score_name})"}
    if score_name == "algorithmic_regret":
        del labels["score"]
    labels = {name: label for name, label in labels.items() if _is_known(rows, name)}
    if not labels:
        raise NothingToDraw("the metrics hold no regret and no score yet")
    figure = Figure(figsize=(7, 0.6 + 3.4 * len(labels)), dpi=DOTS_PER_INCH, layout="constrained")
    for axes, (name, label) in zip(np.atleast_1d(figure.subplots(len(labels), 1)), labels.items(), strict=True):
        _draw_groups(axes, rows, name, {"new": "new", "replayed": "replayed"})
        axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        axes.set_ylabel(f"mean {label}")
        axes.legend()
    figure.supxlabel(_generations(rows), fontsize=10)
    figure.savefig(path)


def draw_drift(path: Path, rows: Rows, config: TrainConfig) -> None:
    """Plot how the levels change over generations: new ones, replayed ones, and what DR draws.

    Args:
        path: path of the PNG.
        rows: rows of the metrics.
        config: the run's config.

    Raises:
        NothingToDraw: the metrics hold no features.
    """
    if not any(_is_known(rows, name) for name in FEATURES):
        raise NothingToDraw("the metrics hold no features of grid levels")
    # accel starts from emptied levels and edits them, so its metrics do not show what DR would draw.
    edits = config.curriculum.curriculum == "accel"
    names = {"new": "new (edits; emptied levels at first)" if edits else "new (what DR draws)", "replayed": "replayed"}
    references = _drawn_features(config) if edits else {}
    figure = Figure(figsize=(10, 6), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for axes, (name, label) in zip(panels, FEATURES.items(), strict=False):
        _draw_groups(axes, rows, name, names)
        if name in references:
            axes.axhline(references[name], color=GREY, linestyle="--", label="what DR draws")
        axes.set_ylabel(f"mean {label}")
    panels[-1].axis("off")
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    figure.supxlabel(_generations(rows), fontsize=10)
    figure.savefig(path)


def _draw_groups(axes: Axes, rows: Rows, name: str, labels: dict[str, str]) -> None:
    """Plot the values of each generation in a pale colour and their moving mean in full colour."""
    generations = column(rows, "generation")
    for group, label in labels.items():
        values = column(rows, f"{name}_{group}")
        if not np.isfinite(values).any():
            continue
        axes.plot(generations, values, ".", markersize=3, color=(COLORS[group], 0.3))
        axes.plot(generations, smoothed(values, _window(rows)), color=COLORS[group], linewidth=1.8, label=label)


def _window(rows: Rows) -> int:
    return 1 + 2 * round(SMOOTHED_SHARE * len(rows) / 2)


def _generations(rows: Rows) -> str:
    return f"generation (points: each; lines: mean over {_window(rows)} generations)"


def _is_known(rows: Rows, name: str) -> bool:
    return any(np.isfinite(column(rows, f"{name}_{group}")).any() for group in COLORS)


def _drawn_features(config: TrainConfig) -> dict[str, float]:
    """Average the features of levels drawn from the run's own distribution."""
    keys = jax.random.split(jax.random.key(0), NUM_REFERENCES)
    drawn = features_of(jax.jit(jax.vmap(build_generator(config).sample))(keys))
    features = {name: np.asarray(values) for name, values in drawn.items()}
    return {name: float(np.mean(values, where=np.isfinite(values))) for name, values in features.items()}
