import functools

import jax
import numpy as np
import pytest

from levels.level import Level


@functools.cache
def _walker(world, generator, num_levels, num_steps):
    def walk(key):
        level_key, action_key, walk_key = jax.random.split(key, 3)
        levels = jax.vmap(generator.sample)(jax.random.split(level_key, num_levels))
        actions = jax.random.randint(action_key, (num_levels, num_steps), 0, world.num_actions)

        def episode(level, key, actions):
            plan = world.plan(level)
            noise = world.noise(key, plan, (num_steps,))
            first = world.reset(jax.tree.map(lambda leaf: leaf[0], noise), plan)

            def step(state, inputs):
                step_noise, action = inputs
                after, reward, terminated, truncated = world.step(step_noise, plan, state, action)
                return after, (after, world.observe(plan, after), reward, terminated, truncated)

            last = jax.lax.scan(step, first, (noise, actions))[1]
            return plan, first, world.observe(plan, first), *last

        return levels, actions, *jax.vmap(episode)(levels, jax.random.split(walk_key, num_levels), actions)

    return jax.jit(walk)


@pytest.fixture(scope="session")
def walk():
    """Random actions on random levels without reset, one compiled program for each set of arguments.

    Called with (world, generator, seed, num_levels, num_steps); gives NumPy arrays: levels, actions,
    plans, first states, first observations, and for each step the state, observation, reward,
    terminated and truncated.
    """

    def run(world, generator, seed, num_levels=16, num_steps=40):
        walked = _walker(world, generator, num_levels, num_steps)(jax.random.key(seed))
        return jax.tree.map(np.asarray, walked)

    return run


@pytest.fixture(scope="session")
def level():
    """2×3 cells of a 3×4 array: S a # / b . . with an unused slot between the two objects."""
    walls = np.ones((3, 4), bool)
    walls[:2, :3] = False
    walls[0, 2] = True
    return Level(
        max_steps_in_episode=np.int32(9),
        walls=walls,
        height=np.int32(2),
        width=np.int32(3),
        start=np.int32(0),
        object_cells=np.int32([1, 0, 4]),
        object_types=np.int32([0, -1, 1]),
        object_rewards=np.float32([1, 0, -0.5]),
        object_terminate_probs=np.float32([0, 0, 1]),
        object_respawn_probs=np.float32([0, 0, 1]),
        lifetime=np.int32(1),
    )
