"""What a residual rule does: its weights by feature and output, its outputs over an agent's life, and its drift."""

import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree
from matplotlib.figure import Figure
from rich.table import Table

from groove.figure_style import BLUE, DOTS_PER_INCH, GREY, VERMILLION
from lpg.rules.drift import changed_drift
from lpg.rules.residual import Residual
from lpg.rules.residual_functions import Steps
from lpg.settings import RESIDUAL_OUTPUTS

AXES = {
    "progress": ("age n/N", (0.0, 1.0)),
    "entropy": ("entropy H/log A", (0.0, 1.0)),
    "advantage": ("tanh of the normalised advantage", (-1.0, 1.0)),
}
"""The feature on each horizontal axis, with its label and range; the first two features are 2x − 1."""

DRIFT_TERMS = [f"{times}{term}" for times in ("", "Â·") for term in ("(1 - r)", "(1 - r)²", "log r", "(log r)²")]
"""The terms of a learned drift, in the order of its weights; r is π/π_old."""

COLORS = (BLUE, GREY, VERMILLION)


def numbers_of(rule: Residual, meta_params: PyTree) -> list[Table]:
    """Return tables of the numbers that can be read: the weights of a linear function, and those of the drift.

    Args:
        rule: the rule.
        meta_params: its meta-parameters.

    Returns:
        Rich tables: features by outputs if the function is linear, and the terms of the drift if it is changed.
    """
    tables, base = [], rule.settings.base.upper()
    if rule.settings.size == "linear" and rule.settings.step_outputs:
        table = Table(title=f"z = x·W on top of {base}", title_justify="left")
        table.add_column("x")
        for name in rule.settings.step_outputs:
            table.add_column(f"z of the {name}", justify="right")
        for name, row in zip(rule.settings.features, np.asarray(meta_params["weights"]), strict=True):
            table.add_row(name, *(f"{weight:+.3f}" for weight in row))
        tables.append(table)
    if "drift" in meta_params:
        table = Table(title=f"terms of the drift, added to that of {base}", title_justify="left")
        table.add_column("term")
        table.add_column("weight", justify="right")
        for name, weight in zip(DRIFT_TERMS, np.asarray(meta_params["drift"]), strict=True):
            table.add_row(name, f"{weight:+.3f}")
        tables.append(table)
    return tables


def outputs_at(
    rule: Residual, meta_params: PyTree, at: dict[str, Float[np.ndarray, "n"]]
) -> dict[str, Float[np.ndarray, "n"]]:
    """Return a rule's outputs for steps that are given by a few features.

    A recurrent rule is asked about the first of 20 steps that are alike, in which the agent's prediction is uniform.

    Args:
        rule: the rule.
        meta_params: its meta-parameters.
        at: [n] values of features that are not products; all others count as 0.

    Returns:
        [n] by output: factors, and the offset.
    """
    nothing = np.zeros_like(next(iter(at.values())))
    if "progress" in at:
        at = at | {"remaining": (1 - at["progress"]) / 2}
    features = [
        math.prod((at.get(part, nothing) for part in name.split("*")), start=np.ones_like(nothing))
        for name in rule.settings.features
    ]
    alike = jnp.broadcast_to(jnp.asarray(np.stack(features, axis=-1), jnp.float32), (20, *nothing.shape, len(features)))
    uniform = jnp.full((*alike.shape[:2], rule.prediction_size), 1 / max(rule.prediction_size, 1))
    steps = Steps(alike, jnp.zeros(alike.shape[:2], bool), uniform, uniform)
    found = rule.bounded(rule.outputs(meta_params, steps).outputs[0])
    return {name: np.asarray(z) if name == "offset" else np.exp(z) for name, z in found.items()}


def draw_residual(path: Path, rule: Residual, meta_params: PyTree) -> None:
    """Plot each output over age, entropy and advantage, for low, middle and high values of another of them.

    The drift is plotted over the ratio π/π_old, for an advantage of 1 and of −1, beside that of the base.

    Args:
        path: path of the PNG.
        rule: the rule.
        meta_params: its meta-parameters.
    """
    outputs = (*rule.settings.step_outputs, *(["drift"] if "drift" in meta_params else []))
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
            drawn = outputs_at(rule, meta_params, values)
            for row, output in enumerate(rule.settings.step_outputs):
                panels[row, column].plot(grid, drawn[output], color=color, label=f"{AXES[other][0]} = {level:g}")
                panels[row, column].set_xlabel(label)
        if rule.settings.step_outputs:
            panels[0, column].legend(fontsize=7)
    for row, output in enumerate(outputs):
        panels[row, 0].set_ylabel(RESIDUAL_OUTPUTS[output], fontsize=9)
        if output not in ("offset", "drift"):
            panels[row, 0].set_yscale("log")
    if "drift" in meta_params:
        _draw_drift(panels[-1], rule, meta_params["drift"])
    figure.savefig(path)


def _draw_drift(panels: np.ndarray, rule: Residual, weights: Float[np.ndarray, "K"]) -> None:
    base: Any = rule.own_base
    ratio = np.linspace(0.5, 1.5, 201)
    log_ratio = jnp.log(jnp.asarray(ratio, jnp.float32))[None]
    for panel, advantage in zip(panels, (1.0, -1.0), strict=False):
        advantages = jnp.full_like(log_ratio, advantage)
        plain = base.drift(log_ratio, advantages)
        panel.plot(ratio, plain[0], color=GREY, label=rule.settings.base.upper())
        learned = changed_drift(jnp.asarray(weights), log_ratio, advantages, plain)
        panel.plot(ratio, learned[0], color=BLUE, label="learned")
        panel.set_xlabel(f"π/π_old where Â = {advantage:g}")
        panel.legend(fontsize=7)
    panels[-1].set_axis_off()
