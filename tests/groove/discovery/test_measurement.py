"""Measurements of levels: which are measured, only once, and how seeds add up."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.discovery.measurement import Measurement, add_seed
from groove.discovery.population import LifeResults
from groove.settings import AntagonistSettings
from levels.level import stack_levels
from levels.world import GymnaxWorld
from levels.worlds.chains import CHAINS
from tests.lpg import tiny
from tests.lpg.probe_world import ProbeWorld, probe
from ued.curriculum import new_batch

NUM_WORKERS = 512


class ToldPopulation:
    """Keeps the lives that it is given; the n-th returns n."""

    def __init__(self, world):
        self.learner, self.calls = SimpleNamespace(world=world, num_workers=NUM_WORKERS), []

    def live(self, meta_params, lives):
        self.calls.append((meta_params, lives))
        count = lives.lengths.shape[0]
        returns = jnp.arange(count, dtype=jnp.float32)
        return LifeResults(returns, returns[:, None], returns[:, None], None, lives.lengths, jnp.sum(lives.lengths))


def measurement(*needs, world=tiny.WORLD, antagonist="a2c", num_seeds=2, max_seeds=2):
    return Measurement(
        ToldPopulation(world), tiny.hyper(3.0), frozenset(needs), AntagonistSettings(antagonist, num_seeds, max_seeds)
    )


@functools.cache
def batch(num_places=4):
    """Grid levels whose object pays 1, −1, 1, −1 and whose lifetimes are 5, 6, 7, 8."""
    levels = [
        tiny.level().replace(object_rewards=jnp.full(1, (-1.0) ** n), lifetime=jnp.int32(5 + n))
        for n in range(num_places)
    ]
    return new_batch(stack_levels(levels), num_places)


def coins(chances):
    """Return a batch of one-armed bandits that pay these rewards for one of two actions."""
    levels = [probe([(0, 0, None, 0.0), (0, 1, None, reward)]) for reward in chances]
    return new_batch(jax.tree.map(lambda *leaves: jnp.stack(leaves), *levels), len(levels))


def test_antagonists_live_on_the_new_levels_once_a_seed():
    measured = measurement("antagonist", num_seeds=3, max_seeds=3)
    extras, updates = measured.measure(jax.random.key(0), batch(), 2)
    ((meta_params, lives),) = measured.population.calls
    assert meta_params == () and lives.candidates is None
    np.testing.assert_array_equal(lives.lengths, [5, 5, 5, 6, 6, 6])
    np.testing.assert_array_equal(lives.levels.object_rewards[:, 0], [1, 1, 1, -1, -1, -1])
    np.testing.assert_array_equal(lives.hyper.learning_rate, np.full(6, 3.0))
    assert len(np.unique(jax.random.key_data(lives.keys), axis=0)) == 6
    # Seeds 0, 1, 2 on the first level and 3, 4, 5 on the second.
    np.testing.assert_array_equal(extras.antagonist_mean, [1, 4, np.nan, np.nan])
    np.testing.assert_array_equal(extras.antagonist_variance, [1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(extras.antagonist_count, [3, 3, 0, 0])
    np.testing.assert_allclose(extras.antagonist_standard_error[:2], np.sqrt(1 / 3), rtol=1e-6)
    assert updates == 33


def test_one_seed_has_no_variance():
    extras, _ = measurement("antagonist", num_seeds=1).measure(jax.random.key(0), batch(), 4)
    np.testing.assert_array_equal(extras.antagonist_mean, [0, 1, 2, 3])
    assert np.all(np.isnan(extras.antagonist_variance))


def test_replayed_levels_below_the_cap_get_one_more_seed():
    known = batch()
    extras = known.extras.replace(
        antagonist_mean=jnp.asarray([jnp.nan, 4.0, 4.0, 4.0]),
        antagonist_variance=jnp.asarray([jnp.nan, 2.0, 2.0, 2.0]),
        antagonist_count=jnp.asarray([0, 2, 3, 2]),
    )
    # The level in the last place is new and is not measured.
    known = known.replace(extras=extras, slots=jnp.asarray([-1, 9, 8, -1], jnp.int32))
    measured = measurement("antagonist", num_seeds=2, max_seeds=3)
    found, updates = measured.measure(jax.random.key(0), known, 1)
    # One call: two antagonists on the new level, then one on each of the others, as short as can be if not wanted.
    ((_, lives),) = measured.population.calls
    np.testing.assert_array_equal(lives.lengths, [5, 5, 6, 1, 1])
    assert len(np.unique(jax.random.key_data(lives.keys), axis=0)) == 5
    np.testing.assert_array_equal(found.antagonist_count, [2, 3, 3, 2])
    # 3 and 5 have mean 4 and variance 2; the new value is the third life's, 2.
    np.testing.assert_allclose(found.antagonist_mean, [0.5, np.mean([3, 5, 2]), 4, 4], rtol=1e-6)
    np.testing.assert_allclose(found.antagonist_variance, [0.5, np.var([3, 5, 2], ddof=1), 2, 2], rtol=1e-6)
    assert updates == 5 + 5 + 6 + 1 + 1


def test_add_seed_agrees_with_numpy():
    random = np.random.default_rng(0)
    for scale, shift in ((1.0, 0.0), (1e-3, 5.0), (100.0, -1e3)):
        values = (scale * random.normal(size=(7, 4)) + shift).astype(np.float32)
        mean, variance = jnp.asarray(values[0]), jnp.full(4, jnp.nan)
        for count in range(1, 7):
            mean, variance = add_seed(mean, variance, jnp.full(4, count), jnp.asarray(values[count]))
            seen = values[: count + 1].astype(np.float64)
            np.testing.assert_allclose(mean, seen.mean(0), rtol=1e-5, atol=1e-5 * scale)
            np.testing.assert_allclose(variance, seen.var(0, ddof=1), rtol=2e-2, atol=1e-7)


def test_random_antagonists_and_random_returns_are_means_of_episodes():
    bandits = coins([1.0, -2.0, 8.0])
    world = GymnaxWorld(ProbeWorld())
    measured = measurement("antagonist", "random", world=world, antagonist="random", num_seeds=2)
    extras, updates = jax.jit(lambda key: measured.measure(key, bandits, 2))(jax.random.key(1))
    assert updates == 0 and not measured.population.calls
    # Half the mean of 512 coins per seed, within five standard deviations, with the seed fixed.
    margin = 5 * 0.5 / np.sqrt(NUM_WORKERS)
    for found in (extras.random_return, extras.antagonist_mean):
        assert np.all(np.abs(found[:2] / np.asarray([1, -2]) - 0.5) < margin) and np.isnan(found[2])
    np.testing.assert_array_equal(extras.antagonist_count, [2, 2, 0])
    assert 0 < extras.antagonist_variance[0] < 2 * margin**2 and extras.antagonist_mean[0] != extras.random_return[0]


def test_expert_and_optimum_are_the_solvers():
    measured = measurement("antagonist", "optimum", antagonist="expert")
    extras, updates = measured.measure(jax.random.key(0), batch(), 3)
    # The object is worth 1 and within reach, or worth −1 and left alone.
    np.testing.assert_allclose(extras.optimal_return, [1, 0, 1, np.nan], atol=1e-6)
    np.testing.assert_allclose(extras.antagonist_mean, [1, 0, 1, np.nan], atol=1e-6)
    np.testing.assert_array_equal(extras.antagonist_count, [1, 1, 1, 0])
    assert np.all(np.isnan(extras.antagonist_variance)) and updates == 0


def test_nothing_is_measured_that_nobody_needs():
    measured = measurement()
    extras, updates = measured.measure(jax.random.key(0), batch(), 4)
    jax.tree.map(np.testing.assert_array_equal, extras, batch().extras)
    assert updates == 0 and not measured.population.calls


@pytest.mark.parametrize(
    ("needs", "fields"),
    [
        (("optimum",), {}),
        (("antagonist",), {"antagonist": "expert"}),
    ],
)
def test_measurement_refuses_to_solve_a_world_without_a_solver(needs, fields):
    with pytest.raises(ValueError, match="exact solver"):
        measurement(*needs, world=CHAINS["short"].world, **fields)
