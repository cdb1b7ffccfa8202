"""Less precise products: a published rule is worth as much with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groove.building import build_generator, build_hyperparameters, build_learner, build_population
from groove.job.devices import lives_mesh
from groove.rules import read_discovered_rule
from groove.scoring.heldout import HELDOUT_STREAM, Evaluation, draw_level_set

RULE = Path(__file__).parents[2] / "runs" / "published" / "tiny" / "rule.safetensors"


@pytest.fixture(scope="module")
def scores():
    """Gains [n] over a random policy on held-out levels by precision, as shares of the mean gain of the best policy.

    Means of three agents on each level, since a single one may gain or lose by chance more than the test allows.

    One denominator for all levels: divided by its own gain, a level on which the best policy gains almost nothing
    would decide the mean alone.
    """
    rule, meta_params, config = read_discovered_rule(RULE)
    # Half the lives that the rule was discovered on.
    levels = build_generator(config.replaced(lifetime=(50, 50)))
    heldout = draw_level_set(levels, HELDOUT_STREAM, 96)
    hyper = build_hyperparameters(config, levels.world)

    def of(precision):
        learner = build_learner(config, levels.world, replace(rule, precision=precision))
        evaluation = Evaluation(build_population(config, lives_mesh(2), learner))
        returns = [evaluation.returns(meta_params, heldout, hyper, seed) for seed in range(3)]
        return (np.mean(returns, axis=0) - heldout.random) / np.mean(heldout.optimum - heldout.random)

    return {precision: of(precision) for precision in ("float32", "bfloat16")}


def test_held_out_score_does_not_suffer_from_bfloat16_products(scores):
    difference = scores["bfloat16"] - scores["float32"]
    error = np.std(difference, ddof=1) / np.sqrt(difference.size)
    assert np.mean(scores["float32"]) > 0.7
    # The same agents with the same draws: most lives end alike, so that the error is small.
    assert error < 0.03 and np.mean(difference) > -2 * error - 0.01


def test_bfloat16_products_change_lives(scores):
    # Equal returns everywhere would mean that the precision is not read.
    assert np.mean(scores["bfloat16"] != scores["float32"]) > 0.2
