"""The random search: it varies only what a rule reads, and takes the best."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.scoring.random_search import best_of, search_space
from lpg.rules.actor_critic import A2C
from lpg.rules.lpg import LPG
from lpg.update_rule import Hyperparameters

DEFAULT = Hyperparameters(*map(jnp.float32, (40, 4, 0.5, 0.25, 0.01)))


def test_search_space_is_the_default_and_draws_around_it():
    space = search_space(A2C(), DEFAULT, 200)
    assert len(space) == 200 and space[0] is DEFAULT and search_space(A2C(), DEFAULT, 1) == [DEFAULT]
    for name in ("learning_rate", "prediction_learning_rate", "value_cost", "entropy_cost"):
        factors = np.array([getattr(hyper, name) / getattr(DEFAULT, name) for hyper in space[1:]])
        assert 0.1 <= factors.min() < 0.15 and 7 < factors.max() <= 10.001
        # Log-uniform: half of the draws lie below the default, within 4 standard errors.
        assert abs(np.mean(factors < 1) - 0.5) < 4 * 0.5 / math.sqrt(199)
        assert len(np.unique(factors)) == 199
    assert jax.tree.map(float, search_space(A2C(), DEFAULT, 5)) == jax.tree.map(float, space[:5])


@pytest.mark.parametrize("rule, unread", [(A2C(), ["kl_cost"]), (LPG(), ["value_cost", "entropy_cost"])])
def test_search_leaves_alone_what_the_rule_does_not_read(rule, unread):
    for hyper in search_space(rule, DEFAULT, 4):
        assert all(getattr(hyper, name) == getattr(DEFAULT, name) for name in unread)


def test_best_of_takes_the_first_of_equals():
    space = search_space(A2C(), DEFAULT, 4)
    assert best_of(space, np.array([1.0, 2.0, 2.0, 0.0])) is space[1]
    assert best_of(space, np.zeros(4)) is space[0]
