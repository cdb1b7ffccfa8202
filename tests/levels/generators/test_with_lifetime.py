import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.generators.distributions import LevelDistribution
from levels.generators.with_lifetime import WithLifetime
from levels.level import is_valid
from levels.worlds.chains import ChainGenerator

PLAIN = LevelDistribution(3, 4, 4, 1, 2, 5, 9)


def sample(generator, num_levels=2000):
    return jax.jit(jax.vmap(generator.sample))(jax.random.split(jax.random.key(0), num_levels))


def test_sample_draws_lifetimes_log_uniformly_and_leaves_the_rest():
    found = sample(WithLifetime(PLAIN, 10, 250))
    lifetimes = np.asarray(found.lifetime)
    assert lifetimes.dtype == np.int32 and lifetimes.min() >= 10 and lifetimes.max() <= 250
    # Half of the mass lies below the geometric mean of 10 and 251; the margin is 5 standard deviations of 2,000 draws.
    assert abs(np.mean(lifetimes < np.sqrt(10 * 251)) - 0.5) < 5 * np.sqrt(0.25 / 2000)
    assert jax.vmap(is_valid)(found).all()


def test_sample_draws_the_lifetime_independently_of_the_level():
    found = sample(WithLifetime(PLAIN, 10, 250))
    # If both were drawn from one key, start and lifetime would be correlated.
    correlation = np.corrcoef(np.asarray(found.start), np.log(found.lifetime))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(2000)


def test_sample_of_one_lifetime_is_fixed():
    assert np.unique(sample(WithLifetime(PLAIN, 7, 7), 20).lifetime).tolist() == [7]


def test_sample_replaces_the_lifetime_of_any_level():
    chains = ChainGenerator(lifetime=4)
    found = jax.jit(WithLifetime(chains, 30, 30).sample)(jax.random.key(0))
    assert found.lifetime == 30 and jnp.all(found.max_steps_in_episode == found.length + 1)


def test_with_lifetime_belongs_to_the_world_of_its_generator():
    assert WithLifetime(PLAIN, 1, 2).world == PLAIN.world


@pytest.mark.parametrize("low, high", [(0, 5), (6, 5)])
def test_with_lifetime_refuses_empty_ranges(low, high):
    with pytest.raises(ValueError, match=f"WithLifetime: must be 1 <= low <= high, got {low} and {high}"):
        WithLifetime(PLAIN, low, high)
