"""Levels of three numbers, made-up outcomes, and every curriculum at a size where each level counts."""

import jax
import jax.numpy as jnp
import numpy as np

from ued.curriculum import Batch, DomainRandomization, Outcome, new_batch, unknown_extras
from ued.learnability_sampling import LearnabilitySampling
from ued.replay import PrioritizedLevelReplay
from ued.scores import Score
from ued.settings import ReplaySettings

NUM_PLACES, CAPACITY = 4, 6

GIVEN = Score(lambda outcome: outcome.agent_return)
"""A score that is given as the return of the agents."""


def edit(key, level):
    """Return a child of a level, recognisable by its cells alone."""
    step = 1000 * jax.random.randint(key, (), 1, 4, jnp.int32)
    return {"cells": level["cells"] + step, "lifetime": level["lifetime"]}


def replay(robust=False, edit=None, buffer=CAPACITY, **settings):
    return PrioritizedLevelReplay(GIVEN, ReplaySettings(buffer=buffer, **settings), robust, edit)


CURRICULA = {
    "dr": DomainRandomization(),
    "plr": replay(),
    "robust_plr": replay(robust=True),
    "accel": replay(robust=True, edit=edit),
    "sfl": LearnabilitySampling(CAPACITY, ReplaySettings(sfl_period=2)),
}
"""Every kind of curriculum; a new one is added here and then runs through the contract tests."""

REPLAY = ("plr", "robust_plr", "accel")


def levels(numbers):
    """Build [n] levels, equal where their numbers are."""
    numbers = jnp.asarray(numbers, jnp.int32)
    return {"cells": jnp.stack([numbers, -numbers], axis=1), "lifetime": 1 + numbers % 3}


def number_of(level):
    """Return the numbers of stacked levels, including edited ones."""
    return np.asarray(level["cells"])[..., 0]


def batch_of(numbers, slots=None):
    """Build a batch of levels, new ones unless slots are given."""
    batch: Batch = new_batch(levels(numbers), len(numbers))
    return batch if slots is None else batch.replace(slots=jnp.asarray(slots, jnp.int32))


def outcome_of(scores, ended=None, extras=None, **fields):
    """Build an outcome with the scores that GIVEN reads."""
    scores = jnp.asarray(scores, jnp.float32)
    return Outcome(
        ended=jnp.ones(scores.shape, bool) if ended is None else jnp.asarray(ended, bool),
        agent_return=scores,
        episode_returns=fields.pop("episode_returns", scores[:, None]),
        extras=unknown_extras(scores.size) if extras is None else extras,
        **fields,
    )


def learnable(shares, num_episodes=4):
    """Build an outcome whose episodes succeed in these shares; a NaN share has no finished episode."""
    shares = np.asarray(shares, np.float32)[:, None]
    returns = np.where(np.isnan(shares), np.nan, np.arange(num_episodes) < np.round(shares * num_episodes))
    count = returns.shape[0]
    extras = unknown_extras(count).replace(random_return=jnp.zeros(count), best_return=jnp.ones(count))
    return outcome_of(jnp.zeros(count), extras=extras, episode_returns=jnp.asarray(returns, jnp.float32))
