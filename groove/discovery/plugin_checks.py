"""Checks that parts of a user's own work, by tracing them once before a run writes anything."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from levels.level_generator import LevelGenerator
from levels.plugins import described
from lpg.learner import Learner
from ued.curriculum import Outcome, unknown_extras
from ued.scores import Score


def check_levels(name: str, levels: LevelGenerator) -> None:
    """Refuse levels that cannot be drawn, or that agents cannot live on.

    Args:
        name: FILE.py:NAME, for messages.
        levels: the generator.

    Raises:
        ValueError: drawing a level fails, or levels have no lifetime.
    """
    drawn = _traced(f"{name}: sample(key)", levels.sample, jax.random.key(0))
    lifetime = getattr(drawn, "lifetime", None)
    if lifetime is None or lifetime.shape or not jnp.issubdtype(lifetime.dtype, jnp.integer):
        raise ValueError(f"{name}: its levels must have a lifetime, an int32 scalar, the updates of an agent's life")


def check_rule(name: str, learner: Learner, levels: LevelGenerator) -> None:
    """Refuse a rule by which an agent cannot make its first update.

    Args:
        name: FILE.py:NAME, for messages.
        learner: learner of the rule in the world of the levels.
        levels: source of a level.

    Raises:
        ValueError: the update fails.
    """

    def first_update(key: Any) -> Any:
        level = levels.sample(key)
        return learner.update(key, learner.rule.init(key), learner.init(key, level), level)[0]

    _traced(f"{name}: an agent's first update", first_update, jax.random.key(0))


def check_score(name: str, score: Score) -> None:
    """Refuse a score that does not give one number for each level.

    Args:
        name: FILE.py:NAME, for messages.
        score: the score.

    Raises:
        ValueError: the score fails, or its result has another shape.
    """
    numbers = jnp.zeros(2)
    episodes, agents, kept = jnp.zeros((2, 3)), jnp.zeros((2, 2)), jnp.zeros(4)
    extras, losses = unknown_extras(2), (numbers, numbers, numbers)
    outcome = Outcome(jnp.ones(2, bool), numbers, episodes, extras, *losses, agent_returns=agents, kept_returns=kept)
    found = _traced(f"{name}: the score of two levels", score.formula, outcome)
    if found.shape != (2,):
        raise ValueError(f"{name} must return scores [n]; for 2 levels it returned an array of shape {found.shape}")


def _traced(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return jax.eval_shape(call, *arguments)
    except Exception as error:
        raise ValueError(f"{what} fails: {described(error)[:300]}") from error
