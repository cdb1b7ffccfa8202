"""The one rollout, used by every agent, antagonist, baseline and evaluation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from levels.world import World
from lpg.policy import num_draws, sample_action, sample_vector


@struct.dataclass
class Rollout:
    """T steps of B workers."""

    observation: Array  # [T, B, …], seen before the step
    action: Int[Array, "T B"] | Float[Array, "T B A"]  # [T, B] int32; [T, B, A] float32 where actions are vectors
    reward: Float[Array, "T B"]  # [T, B] float32, reward of the step
    terminated: Bool[Array, "T B"]  # [T, B] bool, whether the world ended the episode
    truncated: Bool[Array, "T B"]  # [T, B] bool, whether the time limit ended it
    next_observation: Array  # [T, B, …], seen after the step, before any reset
    # [T, B] float32, 1/√(visits of the next observation in the agent's life so far, this rollout included); None unless
    # the agent's rule reads it
    novelty: Float[Array, "T B"] | None = None

    @property
    def done(self) -> Bool[Array, "T B"]:
        """[T, B] bool, whether the episode ended with this step, for either reason."""
        return self.terminated | self.truncated


def reset_workers(key: Key[Array, ""], world: World, plan: PyTree, num_workers: int) -> PyTree:
    """Return the states of B workers at the start of an episode.

    Args:
        key: consumed.
        world: the environment.
        plan: the environment's tables for one level.
        num_workers: number of workers B.

    Returns:
        World states with a leading axis [B].
    """
    noise = world.noise(key, plan, (num_workers,))
    return jax.vmap(world.reset, in_axes=(0, None))(noise, plan)


def collect(
    key: Key[Array, ""],
    world: World,
    plan: PyTree,
    policy: Callable[[Array], Float[Array, "B A"]],
    states: PyTree,
    num_steps: int,
) -> tuple[PyTree, Rollout]:
    """Let B workers act for T steps, starting a new episode wherever one ends.

    All random numbers are drawn before the first step.

    Args:
        key: consumed.
        world: the environment.
        plan: the environment's tables for one level.
        policy: a function from observations [B, …] to logits, [B, A] where actions are integers.
        states: the workers' world states [B, …].
        num_steps: number of steps T.

    Returns:
        The states after the last step (reset where it ended an episode), and the rollout.
    """
    action_key, noise_key = jax.random.split(key)
    num_workers = jax.tree.leaves(states)[0].shape[0]
    noise = world.noise(noise_key, plan, (num_steps, num_workers))
    # Drawn flat, because a multi-axis draw compiles and runs slower once it is batched over agents.
    draws = jax.random.uniform(action_key, (num_steps * num_workers * num_draws(world),))
    act, vector = (sample_vector, (world.num_actions,)) if world.continuous_actions else (sample_action, ())
    draws = draws.reshape(num_steps, num_workers, *vector)
    observe = jax.vmap(world.observe, in_axes=(None, 0))

    def step(states: PyTree, step_noise: PyTree) -> tuple[PyTree, Rollout]:
        draw, noise = step_noise
        observation = observe(plan, states)
        action = act(draw, policy(observation))
        stepped, reward, terminated, truncated = jax.vmap(world.step, in_axes=(0, None, 0, 0))(
            noise, plan, states, action
        )
        fresh = jax.vmap(world.reset, in_axes=(0, None))(noise, plan)
        done = terminated | truncated

        def restart(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old)

        seen = Rollout(
            observation=observation,
            action=action,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            next_observation=observe(plan, stepped),
        )
        return jax.tree.map(restart, fresh, stepped), seen

    return jax.lax.scan(step, states, (draws, noise))
