import functools

import jax
import numpy as np
import pytest


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
