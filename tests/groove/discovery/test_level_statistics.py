"""Level statistics: separate means over new and replayed levels, of the numbers that exist."""

import jax
import jax.numpy as jnp
import numpy as np

from groove.discovery.level_statistics import batch_statistics, features_of
from levels.features import features
from levels.generators.distributions import DISTRIBUTIONS
from levels.worlds.chains import CHAINS
from ued.curriculum import Outcome, new_batch, unknown_extras

SMALL = jax.jit(jax.vmap(DISTRIBUTIONS["small"].sample))(jax.random.split(jax.random.key(0), 4))
SLOTS = jnp.asarray([-1, -1, 5, 3], jnp.int32)


def outcome(antagonists, optima, agents=(0.0, 1.0, 2.0, 3.0)):
    extras = unknown_extras(4).replace(
        antagonist_mean=jnp.asarray(antagonists, jnp.float32), optimal_return=jnp.asarray(optima, jnp.float32)
    )
    returns = jnp.asarray(agents, jnp.float32)
    return Outcome(jnp.ones(4, bool), returns, returns[:, None], extras)


NOTHING = outcome([np.nan] * 4, [np.nan] * 4)


def test_features_are_averaged_over_each_group():
    batch = new_batch(SMALL, 4).replace(slots=SLOTS)
    found = batch_statistics(batch, NOTHING, replays=True)
    for name in ("side", "walls", "objects", "horizon", "path_length"):
        each = np.asarray([features(jax.tree.map(lambda x, n=n: x[n], SMALL))[name] for n in range(4)])
        for group, part in (("new", each[:2]), ("replayed", each[2:])):
            np.testing.assert_allclose(found[f"{name}_{group}"], np.nanmean(part), rtol=1e-6)


def test_regrets_by_hand():
    batch = new_batch(SMALL, 4).replace(slots=SLOTS)
    found = batch_statistics(batch, outcome([2.0, np.nan, 2.0, 5.0], [np.nan, 4.0, np.nan, np.nan]), replays=True)
    # A level without a number is left out of the mean, and a group without one has none.
    assert found["regret_new"] == 2 and found["regret_replayed"] == 1 and found["exact_regret_new"] == 3
    assert np.isnan(found["exact_regret_replayed"])


def test_curricula_that_replay_nothing_have_one_group_and_no_regret():
    found = batch_statistics(new_batch(SMALL, 4), NOTHING, replays=False)
    assert set(found) == {f"{name}_new" for name in features_of(SMALL)}


def test_levels_of_other_worlds_have_no_features():
    chains = jax.vmap(CHAINS["short"].sample)(jax.random.split(jax.random.key(0), 4))
    assert features_of(chains) == {} and batch_statistics(new_batch(chains, 4), NOTHING, replays=False) == {}
    found = batch_statistics(new_batch(chains, 4).replace(slots=SLOTS), outcome([1.0] * 4, [2.0] * 4), replays=True)
    assert {name: float(value) for name, value in found.items()} == {
        "regret_new": 0.5,
        "regret_replayed": -1.5,
        "exact_regret_new": 1.5,
        "exact_regret_replayed": -0.5,
    }
