"""What a residual rule does: its weights by feature and output, and its outputs over an agent's life."""

import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.table import Table

from groove.figure_style import BLUE, DOTS_PER_INCH, GREY, VERMILLION
from lpg.rules.residual import Residual
from lpg.settings import RESIDUAL_OUTPUTS

AXES = {
    "progress": ("age n/N", (0.0, 1.0)),
    "entropy": ("entropy H/log A", (0.0, 1.0)),
    "advantage": ("tanh of the normalised advantage", (-1.0, 1.0)),
}
"""The feature on each horizontal axis, with its label and range; the first two features are 2x − 1."""

COLORS = (BLUE, GREY, VERMILLION)


def weights_table(rule: Residual, weights: Float[np.ndarray, "F O"]) -> Table:
    """Return a table of the weights, one row for each feature and one column for each output.

    Args:
        rule: the rule.
        weights: its meta-parameters.

    Returns:
        A rich table.
    """
    table = Table(title=f"z = x·W on top of {rule.settings.base.upper()}", title_justify="left")
    table.add_column("x")
    for name in rule.settings.outputs:
        table.add_column(f"z of the {name}", justify="right")
    for name, row in zip(rule.settings.features, np.asarray(weights), strict=True):
        table.add_row(name, *(f"{weight:+.3f}" for weight in row))
    return table


def outputs_at(
    rule: Residual, weights: Float[np.ndarray, "F O"], at: dict[str, Float[np.ndarray, "n"]]
) -> dict[str, Float[np.ndarray, "n"]]:
    """Return what a rule says of steps of which a few features are known.

    Args:
        rule: the rule.
        weights: its meta-parameters.
        at: [n] values of features that are not products; all others count as 0.

    Returns:
        [n] by output: factors, and the offset.
    """
    nothing = np.zeros_like(next(iter(at.values())))
    features = [
        math.prod((at.get(part, nothing) for part in name.split("*")), start=np.ones_like(nothing))
        for name in rule.settings.features
    ]
    found = rule.bounded(jnp.asarray(np.stack(features, axis=-1) @ np.asarray(weights)))
    return {name: np.asarray(z) if name == "offset" else np.exp(z) for name, z in found.items()}


def draw_residual(path: Path, rule: Residual, weights: Float[np.ndarray, "F O"]) -> None:
    """Plot each output over age, entropy and advantage, for low, middle and high values of another of them.

    Args:
        path: path of the PNG.
        rule: the rule.
        weights: its meta-parameters.
    """
    outputs = rule.settings.outputs
    figure = Figure(figsize=(11, 2.6 * len(outputs)), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(len(outputs), len(AXES), sharey="row", squeeze=False)
    for column, (name, (label, (low, high))) in enumerate(AXES.items()):
        grid = np.linspace(low, high, 101)
        # Age is shown for several entropies, the others for several ages.
        other = "entropy" if name == "progress" else "progress"
        for level, color in zip((0.0, 0.5, 1.0), COLORS, strict=True):
            at = {"progress": 0.0, "entropy": 0.0, "advantage": 0.0} | {other: 2 * level - 1}
            values = {key: np.full_like(grid, value) for key, value in at.items()}
            values[name] = grid if name == "advantage" else 2 * grid - 1
            drawn = outputs_at(rule, weights, values)
            for row, output in enumerate(outputs):
                panels[row, column].plot(grid, drawn[output], color=color, label=f"{AXES[other][0]} = {level:g}")
        panels[0, column].legend(fontsize=7)
        panels[-1, column].set_xlabel(label)
    for row, output in enumerate(outputs):
        panels[row, 0].set_ylabel(RESIDUAL_OUTPUTS[output], fontsize=9)
        if output != "offset":
            panels[row, 0].set_yscale("log")
    figure.savefig(path)
