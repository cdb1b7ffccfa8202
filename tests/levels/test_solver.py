import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.level import Level, stack_levels
from levels.registry import generator
from levels.solver import (
    optimal_policy,
    optimal_return,
    policy_return,
    random_moments,
    random_return,
    returns_on,
)
from levels.worlds.tabular_grid import TabularGrid

MOVES = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
MODES = [(5, True), (9, True), (5, False), (9, False)]


def random_level(random, grid, max_steps, num_walls):
    """A random level of a grid with all slots used, drawn with NumPy."""
    cells = random.permutation(grid.num_cells)
    walls = np.zeros(grid.num_cells, bool)
    walls[cells[:num_walls]] = True
    start, *objects = cells[num_walls : num_walls + 1 + grid.num_objects]
    count = grid.num_objects
    return Level(
        max_steps_in_episode=jnp.int32(max_steps),
        walls=jnp.asarray(walls.reshape(grid.height, grid.width)),
        height=jnp.int32(grid.height),
        width=jnp.int32(grid.width),
        start=jnp.int32(start),
        object_cells=jnp.asarray(objects, jnp.int32),
        object_types=jnp.arange(count),
        object_rewards=jnp.asarray(random.uniform(-1, 1, count), jnp.float32),
        object_terminate_probs=jnp.asarray(random.uniform(0, 1, count), jnp.float32),
        object_respawn_probs=jnp.asarray(random.uniform(0, 1, count), jnp.float32),
        lifetime=jnp.int32(1),
    )


def brute_force(grid, level, choose):
    """Compute the value of the start by enumerating every outcome of every step, in plain Python.

    `choose(step, observation, values)` reduces the list of action values to a state value.
    """
    walls = np.asarray(level.walls)
    objects = np.asarray(level.object_cells).tolist()
    rewards, ends, returns = (
        np.asarray(values, np.float64).tolist()
        for values in (level.object_rewards, level.object_terminate_probs, level.object_respawn_probs)
    )
    limit = int(level.max_steps_in_episode)

    def moved(cell, action):
        row, column = cell // grid.width + MOVES[action][0], cell % grid.width + MOVES[action][1]
        inside = 0 <= row < grid.height and 0 <= column < grid.width
        return row * grid.width + column if inside and not walls[row, column] else None

    def expected_later(step, cell, present, collected):
        away = [m for m in range(len(objects)) if m not in present]
        total = 0.0
        for back in itertools.product((False, True), repeat=len(away)):
            chance, there = 1.0, set(present) - {collected}
            for m, returned in zip(away, back, strict=True):
                chance *= returns[m] if returned else 1 - returns[m]
                if returned:
                    there.add(m)
            total += chance * value(step + 1, cell, frozenset(there))
        return total

    def action_value(step, cell, present, action):
        if action < grid.num_moves:
            landing = moved(cell, action)
            landing = cell if landing is None else landing
            target = landing if grid.auto_collect else None
        else:
            landing, target = cell, moved(cell, action - grid.num_moves)
        for m in present:
            if objects[m] == target:
                return rewards[m] + (1 - ends[m]) * expected_later(step, landing, present, m)
        return expected_later(step, landing, present, None)

    @functools.cache
    def value(step, cell, present):
        if step == limit:
            return 0.0
        observation = cell + grid.num_cells * sum(2**m for m in present)
        values = [action_value(step, cell, present, action) for action in range(grid.num_actions)]
        return choose(step, observation, values)

    return value(0, int(level.start), frozenset(range(len(objects))))


def solve(grid, levels, probs, num_steps):
    """Compute optimal, random and fixed-policy returns and the optimal policy of a stack of levels in one program."""

    def one(level, probs):
        return (
            optimal_return(grid, level),
            random_return(grid, level),
            policy_return(grid, level, probs),
            optimal_policy(grid, level, num_steps),
        )

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(levels, probs))


@functools.cache
def small_cases(num_moves, auto_collect, two_objects):
    """Six random levels, random policies and the solver's answers; 2×2 with one object or 2×3 with two."""
    random = np.random.default_rng(11)
    grid = (
        TabularGrid(2, 3, 2, num_moves, auto_collect) if two_objects else TabularGrid(2, 2, 1, num_moves, auto_collect)
    )
    levels = [random_level(random, grid, 3 + k % 2, k % 2) for k in range(6)]
    probs = random.dirichlet(np.ones(grid.num_actions), (6, grid.num_observations))
    return grid, levels, probs, solve(grid, stack_levels(levels), jnp.asarray(probs, jnp.float32), 5)


CASES = [(*mode, two_objects) for mode in MODES for two_objects in (False, True)]


@pytest.mark.parametrize("case", CASES)
def test_returns_agree_with_brute_force(case):
    grid, levels, probs, (best, chance, fixed, _) = small_cases(*case)
    for k, level in enumerate(levels):
        by_policy = brute_force(grid, level, lambda t, o, q, k=k: float(np.dot(probs[k, o], q)))
        assert best[k] == pytest.approx(brute_force(grid, level, lambda t, o, q: max(q)), abs=1e-5)
        assert chance[k] == pytest.approx(brute_force(grid, level, lambda t, o, q: sum(q) / len(q)), abs=1e-5)
        assert fixed[k] == pytest.approx(by_policy, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_optimal_policy_earns_the_optimal_return(case):
    grid, levels, _, (best, chance, fixed, policy) = small_cases(*case)
    assert policy.shape == (6, 5, grid.num_observations) and policy.dtype == np.int8
    for k, level in enumerate(levels):
        earned = brute_force(grid, level, lambda t, o, q, k=k: q[policy[k, t, o]])
        assert earned == pytest.approx(best[k], abs=1e-5)
    assert np.all(best >= np.maximum(chance, fixed) - 1e-6)
    assert np.all(policy[:, 4] == 0)


def corridor(object_cell, max_steps, terminate_prob, respawn_prob):
    """One row of three cells, start on the left, one object of reward 1."""
    level = random_level(np.random.default_rng(0), TabularGrid(1, 3, 1), max_steps, 0)
    return level.replace(
        start=jnp.int32(0),
        object_cells=jnp.asarray([object_cell], jnp.int32),
        object_rewards=jnp.ones(1),
        object_terminate_probs=jnp.asarray([terminate_prob]),
        object_respawn_probs=jnp.asarray([respawn_prob]),
    )


def test_optimal_return_by_hand():
    levels = [
        corridor(2, 1, 0.0, 0.0),  # two steps away with one step left
        corridor(2, 2, 1.0, 0.0),
        corridor(1, 5, 0.0, 1.0),  # collected in steps 1, 3 and 5, because it respawns one step later
        corridor(1, 5, 0.25, 1.0),
        corridor(1, 2, 0.0, 1.0),  # never twice in two steps
        corridor(1, 3, 0.0, 0.5),
    ]
    returns = jax.jit(jax.vmap(functools.partial(optimal_return, TabularGrid(1, 3, 1))))(stack_levels(levels))
    np.testing.assert_allclose(returns, [0, 1, 3, 1 + 0.75 + 0.75**2, 1, 1.5], rtol=1e-6)


def test_variance_of_a_random_return_by_hand():
    levels = [
        corridor(2, 1, 0.0, 0.0),  # out of reach
        corridor(1, 1, 0.0, 0.0),  # one of five actions reaches it: .2 · .8
        corridor(1, 2, 1.0, 0.0),  # in two attempts: .36 · .64
        # Twice with .2 · .44, as three of five actions stay and one of five leads back from either side; once with
        # .2 · .56 + .8 · .2 + .8² · .2. Hence E[G] = .576 and E[G²] = .752.
        corridor(1, 3, 0.0, 1.0),
        # The same with an end half the time: twice with .044, once with .444, E[G] = .532 and E[G²] = .62.
        corridor(1, 3, 0.5, 1.0),
        corridor(1, 3, 0.5, 1.0),
    ]
    # With a reward of -2 the variance is four times as large.
    levels[-1] = levels[-1].replace(object_rewards=jnp.full(1, -2.0))
    mean, variance = returns_on(random_moments, TabularGrid(1, 3, 1), stack_levels(levels))
    exact = 0.62 - 0.532**2
    expected = [0, 0.2 * 0.8, 0.36 * 0.64, 0.752 - 0.576**2, exact, 4 * exact]
    np.testing.assert_allclose(variance, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, returns_on(random_return, TabularGrid(1, 3, 1), stack_levels(levels)), rtol=1e-6)


def test_optimal_return_without_objects_is_zero():
    grid = TabularGrid(2, 2, 0)
    level = random_level(np.random.default_rng(0), grid, 4, 0)
    assert jax.jit(functools.partial(optimal_return, grid))(level) == 0


def test_optimal_policy_of_fewer_steps_is_the_start_of_the_whole():
    grid, levels, _, (_, _, _, whole) = small_cases(5, True, True)
    short = jax.jit(jax.vmap(lambda level: optimal_policy(grid, level, 2)))(stack_levels(levels))
    np.testing.assert_array_equal(short, whole[:, :2])


@pytest.mark.parametrize("num_moves, auto_collect", [(5, True), (9, False)])
def test_policy_return_agrees_with_simulated_episodes(num_moves, auto_collect):
    grid = TabularGrid(4, 4, 3, num_moves, auto_collect)
    level = random_level(np.random.default_rng(3), grid, 25, 3)
    level = level.replace(object_terminate_probs=level.object_terminate_probs / 5)
    policy_key, noise_key, action_key = jax.random.split(jax.random.key(5), 3)
    logits = jax.random.normal(policy_key, (grid.num_observations, grid.num_actions))

    def simulate(level, logits):
        plan = grid.plan(level)
        noise = grid.noise(noise_key, plan, (25, 10_000))
        gumbel = jax.random.gumbel(action_key, (25, 10_000, grid.num_actions))

        def step(carry, draws):
            state, going, total = carry
            step_noise, step_gumbel = draws
            observation = jax.vmap(grid.observe, (None, 0))(plan, state)
            action = jnp.argmax(logits[observation] + step_gumbel, axis=1)
            state, reward, terminated, truncated = jax.vmap(grid.step, (0, None, 0, 0))(step_noise, plan, state, action)
            return (state, going & ~terminated & ~truncated, total + jnp.where(going, reward, 0)), None

        first = jax.vmap(grid.reset, (0, None))(jax.tree.map(lambda leaf: leaf[0], noise), plan)
        start = (first, jnp.ones(10_000, bool), jnp.zeros(10_000))
        totals = jax.lax.scan(step, start, (noise, gumbel))[0][2]
        return totals, policy_return(grid, level, jax.nn.softmax(logits)), random_moments(grid, level)[1]

    simulate = jax.jit(simulate)
    totals, value, _ = jax.tree.map(np.asarray, simulate(level, logits))
    assert totals.std() > 0.1
    assert abs(totals.mean() - value) < 4 * totals.std() / np.sqrt(10_000)
    totals, _, variance = jax.tree.map(np.asarray, simulate(level, 0 * logits))
    squares = (totals - totals.mean()) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(10_000)


@pytest.mark.parametrize("name, num_levels", [("small", 128), ("all", 16)])
def test_optimal_return_is_finite_and_never_below_staying(name, num_levels):
    distribution: LevelDistribution = DISTRIBUTIONS[name]
    levels = jax.jit(jax.vmap(distribution.sample))(jax.random.split(jax.random.key(0), num_levels))
    returns = np.asarray(jax.jit(jax.vmap(functools.partial(optimal_return, distribution.world)))(levels))
    assert np.all(np.isfinite(returns)) and np.all(returns >= 0)


def test_returns_on_many_levels_are_those_of_each_in_their_order():
    source = generator("small")
    levels = jax.vmap(source.sample)(jax.random.split(jax.random.key(0), 11))
    levels = levels.replace(max_steps_in_episode=jnp.asarray([9, 2, 30, 4, 1, 17, 8, 3, 25, 6, 12]))
    found = returns_on(random_moments, source.world, levels)
    one = jax.jit(functools.partial(random_moments, source.world))
    expected = [one(jax.tree.map(lambda x, n=n: x[n], levels)) for n in range(11)]
    np.testing.assert_allclose(np.stack(found, axis=1), np.asarray(expected), rtol=1e-5)
