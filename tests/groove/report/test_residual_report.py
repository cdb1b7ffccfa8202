"""The report of a residual rule: weights as they are, and outputs worked by hand."""

from io import StringIO
from typing import get_args

import jax
import numpy as np
import pytest
from rich.console import Console

from groove.report.residual_report import draw_residual, numbers_of, outputs_at
from lpg.rules.residual import Residual
from lpg.settings import RESIDUAL_OUTPUTS, ResidualSettings, ResidualSize

RULE = Residual(
    ResidualSettings("a2c", ("progress", "progress*advantage", "td_error"), ("advantage", "offset", "entropy"))
)
WEIGHTS = np.array([[0.5, 0.25, -1.0], [2.0, 0.0, 0.0], [9.0, 9.0, 9.0]], np.float32)


def test_table_has_a_row_for_each_feature():
    text = StringIO()
    Console(file=text, width=100).print(*numbers_of(RULE, {"weights": WEIGHTS}))
    lines = text.getvalue().splitlines()
    assert "on top of A2C" in lines[0]
    rows = [line.split("│")[1:-1] for line in lines if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["progress", "+0.500", "+0.250", "-1.000"],
        ["progress*advantage", "+2.000", "+0.000", "+0.000"],
        ["td_error", "+9.000", "+9.000", "+9.000"],
    ]


def test_outputs_are_those_of_the_known_features_by_hand():
    found = outputs_at(
        RULE, {"weights": WEIGHTS}, {"progress": np.array([-1.0, 1.0]), "advantage": np.array([0.5, -0.25])}
    )
    np.testing.assert_allclose(found["advantage"], np.exp([-0.5 - 1.0, 0.5 - 0.5]), rtol=1e-6)
    np.testing.assert_allclose(found["offset"], [-0.25, 0.25], rtol=1e-6)
    np.testing.assert_allclose(found["entropy"], np.exp([3.0, -3.0]), rtol=1e-6)


def test_drift_has_a_table_of_its_own():
    rule = Residual(ResidualSettings("ppo", outputs=("drift",)))
    text = StringIO()
    Console(file=text, width=100).print(*numbers_of(rule, {"weights": np.zeros((5, 0)), "drift": np.arange(8) / 4}))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.getvalue().splitlines() if "│" in line]
    assert rows[0] == ["(1 - r)", "+0.000"] and rows[7] == ["Â·(log r)²", "+1.750"] and len(rows) == 8


def test_what_remains_follows_from_the_age():
    rule = Residual(ResidualSettings("a2c", ("remaining", "remaining*advantage"), ("offset",)))
    at = {"progress": np.array([-1.0, 0.0, 1.0]), "advantage": np.full(3, 0.5)}
    found = outputs_at(rule, {"weights": np.array([[1.0], [2.0]], np.float32)}, at)
    np.testing.assert_allclose(found["offset"], [2.0, 1.0, 0.0], atol=1e-6)


def test_outputs_of_a_hidden_layer_by_hand():
    rule = Residual(ResidualSettings("a2c", ("progress", "advantage"), ("offset",), size="mlp", units=2))
    hidden, weights = np.array([[1.0, -1.0], [0.5, 0.0]], np.float32), np.array([[2.0], [1.0]], np.float32)
    at = {"progress": np.array([1.0, 0.0]), "advantage": np.array([1.0, 0.0])}
    found = outputs_at(rule, {"hidden": hidden, "weights": weights}, at)
    swish = [x / (1 + np.exp(-x)) for x in (1.5, -1.0)]
    np.testing.assert_allclose(found["offset"], [2 * swish[0] + swish[1], 0], rtol=1e-5)


@pytest.mark.parametrize("size", get_args(ResidualSize))
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("outputs", [("step",), ("drift",), tuple(RESIDUAL_OUTPUTS)], ids=len)
def test_picture_has_a_row_for_each_output(tmp_path, outputs, size):
    if outputs == ("drift",):
        size = "linear"
    rule = Residual(ResidualSettings("ppo", outputs=outputs, size=size))
    meta_params = jax.tree.map(lambda x: x + 0.5, rule.init(jax.random.key(0)))
    draw_residual(tmp_path / "rule.png", rule, meta_params)
    height = int.from_bytes((tmp_path / "rule.png").read_bytes()[20:24], "big")
    assert height == pytest.approx(2.6 * 120 * len(outputs), abs=2)
