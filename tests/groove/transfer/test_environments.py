"""Environments: budgets, lives, lifetimes and what distinguishes them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.transfer.environments import of_generator, of_world
from levels.generators.with_lifetime import WithLifetime
from levels.registry import generator
from levels.world import GymnaxWorld
from lpg.networks import Dense, Table
from tests.groove.transfer import tiny


def test_updates_are_given_or_the_budget_over_the_steps_per_update():
    workers = (4, 6, 39, 40, 41)
    assert [replace(tiny.catch(), workers=number).updates for number in workers] == [10, 6, 1, 1, 1]
    assert [replace(tiny.grid(), workers=number).updates for number in workers] == [5] * 5


def test_an_environment_has_exactly_one_budget():
    for budgets in ({"num_updates": 5, "num_steps": 200}, {"num_updates": None, "num_steps": None}):
        with pytest.raises(ValueError, match="own/catch: exactly one of num_updates and num_steps must be given"):
            replace(tiny.catch(), **budgets)


@pytest.mark.parametrize("field", ["workers", "rollout_length", "episodes"])
def test_an_environment_refuses_counts_below_one(field):
    with pytest.raises(ValueError, match=f"own/catch: {field} must be >= 1, got 0"):
        replace(tiny.catch(), **{field: 0})


def test_lives_are_a_quarter_of_the_seeds_on_every_level_or_a_level_each_in_turn():
    assert tiny.grid(True).num_levels == 2 and tiny.catch().num_levels == 1
    assert tiny.grid(True).lives(4) == [(0, 0), (1, 0)]
    # A quarter of the seeds, rounded up.
    assert tiny.grid(True).lives(5) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert tiny.grid(False).lives(3) == [(0, 0), (1, 1), (0, 2)]


def test_at_lifetime_scales_the_budget():
    assert tiny.catch().at_lifetime(0.25).num_steps == 50 and tiny.catch().at_lifetime(4.0).lifetime == 4
    grid = of_generator("own", "small", generator("small"), 2)
    assert (grid.num_updates, grid.at_lifetime(0.02).num_updates, grid.at_lifetime(1e-9).num_updates) == (250, 5, 1)
    assert np.all(grid.optimum > grid.random) and grid.at_lifetime(0.25).optimum is grid.optimum


def test_levels_of_several_lifetimes_are_refused():
    with pytest.raises(ValueError, match=r"own/mixed: levels must all have the same lifetime, got \["):
        of_generator("own", "mixed", WithLifetime(generator("chain_short"), 2, 200), 8)


def test_fingerprint_covers_everything_but_the_dynamics():
    catch = tiny.catch()
    params = replace(catch, levels=jax.tree.map(lambda x: x + 1, catch.levels))
    others = [
        params,
        replace(catch, levels=jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), catch.levels)),
        replace(catch, suite="x"),
        replace(catch, name="x"),
        replace(catch, lifetime=2.0),
        replace(catch, num_steps=100),
        replace(catch, num_steps=None, num_updates=200),
        replace(catch, workers=5),
        replace(catch, rollout_length=4),
        replace(catch, episodes=5),
        replace(catch, torso="dense"),
        tiny.slide(),
    ]
    assert len({own.fingerprint() for own in (catch, *others)}) == 13
    same = of_world("own", "catch", GymnaxWorld(tiny.Catch(rows=4, columns=3)), tiny.CATCH.default_params, 200)
    same = replace(same, **tiny.SHAPE, episodes=tiny.NUM_EPISODES)
    assert same.fingerprint() == catch.fingerprint()


def test_networks_follow_torso_and_world():
    assert tiny.catch().network(8, False) == Dense(3, 8, observation_rank=2)
    assert tiny.slide().network(0, True) == Dense(2, observation_rank=2, has_value=True)
    assert isinstance(tiny.grid().network(8, False), Table)
    assert replace(tiny.catch(), torso="dense").network(8, False) == Dense(3, 8, (64, 64), observation_rank=2)
    minatar = replace(tiny.catch(), torso="minatar").network(8, True)
    assert minatar == Dense(3, 8, (128,), (16,), 3, channels_last=True, padded=False, has_value=True)


def test_a_level_without_arrays_is_one_level():
    environment = of_world("own", "bare", GymnaxWorld(tiny.CATCH), (), 100)
    assert environment.num_levels == 1 and environment.optimum is None
