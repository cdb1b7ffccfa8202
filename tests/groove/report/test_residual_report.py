"""The report of a residual rule: weights as they are, and outputs worked by hand."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from groove.report.residual_report import draw_residual, outputs_at, weights_table
from lpg.rules.residual import Residual
from lpg.settings import ResidualSettings

RULE = Residual(
    ResidualSettings("a2c", ("progress", "progress*advantage", "td_error"), ("advantage", "offset", "entropy"))
)
WEIGHTS = np.array([[0.5, 0.25, -1.0], [2.0, 0.0, 0.0], [9.0, 9.0, 9.0]], np.float32)


def test_table_has_a_row_for_each_feature():
    text = StringIO()
    Console(file=text, width=100).print(weights_table(RULE, WEIGHTS))
    lines = text.getvalue().splitlines()
    assert "on top of A2C" in lines[0]
    rows = [line.split("│")[1:-1] for line in lines if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["progress", "+0.500", "+0.250", "-1.000"],
        ["progress*advantage", "+2.000", "+0.000", "+0.000"],
        ["td_error", "+9.000", "+9.000", "+9.000"],
    ]


def test_outputs_are_those_of_the_known_features_by_hand():
    found = outputs_at(RULE, WEIGHTS, {"progress": np.array([-1.0, 1.0]), "advantage": np.array([0.5, -0.25])})
    np.testing.assert_allclose(found["advantage"], np.exp([-0.5 - 1.0, 0.5 - 0.5]), rtol=1e-6)
    np.testing.assert_allclose(found["offset"], [-0.25, 0.25], rtol=1e-6)
    np.testing.assert_allclose(found["entropy"], np.exp([3.0, -3.0]), rtol=1e-6)


@pytest.mark.parametrize("outputs", [("step",), ("advantage", "offset", "entropy", "value", "step")])
def test_picture_has_a_row_for_each_output(tmp_path, outputs):
    rule = Residual(ResidualSettings("ppo", outputs=outputs))
    weights = np.ones((len(rule.settings.features), len(outputs)), np.float32)
    draw_residual(tmp_path / "rule.png", rule, weights)
    height = int.from_bytes((tmp_path / "rule.png").read_bytes()[20:24], "big")
    assert height == pytest.approx(2.6 * 120 * len(outputs), abs=2)
