"""First episodes of fresh workers: their returns, or the episodes themselves."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Key, PyTree

from levels.world import World
from lpg.policy import num_logits
from lpg.rollout import Rollout, collect, reset_workers

Policy = Callable[[Array], Float[Array, "B A"]]
"""Observations [B, …] to logits [B, A]."""

STEPS_PER_ROLLOUT = 20
"""Steps between two checks of whether all episodes have ended."""


def random_policy(world: World) -> Policy:
    """Return the policy of uniformly random actions, or of standard normal ones where actions are float vectors.

    Args:
        world: the environment, which gives the number of actions.

    Returns:
        The policy.
    """
    return lambda observation: jnp.zeros((observation.shape[0], num_logits(world)))


def episode_returns(
    key: Key[Array, ""], world: World, level: PyTree, policy: Policy, num_workers: int, max_steps: int = 100_000
) -> Float[Array, "B"]:
    """Return the undiscounted return of the first episode of each of B fresh workers.

    Args:
        key: consumed.
        world: the environment.
        level: the level.
        policy: logits of the actions, which are sampled.
        num_workers: number of parallel episodes B.
        max_steps: steps after which an unfinished episode counts with its return so far.

    Returns:
        [B] float32.
    """

    def add(returns: Array, first_step: Array, rollout: Rollout, lived: Array) -> Array:
        del first_step
        return returns + jnp.sum(rollout.reward * lived, axis=0)

    return _visit(key, world, level, policy, max_steps, num_workers, add, jnp.zeros(num_workers))[0]


@struct.dataclass
class Episodes:
    """The first S steps of B episodes; steps after an episode's end are not `lived`."""

    rollout: Rollout  # [S, B, …]
    lived: Bool[Array, "S B"]  # [S, B] bool, the step belongs to the worker's first episode
    complete: Bool[Array, "B"]  # [B] bool, the episode ended within the S steps


def recorded_episodes(
    key: Key[Array, ""], world: World, level: PyTree, policy: Policy, num_workers: int, max_steps: int
) -> Episodes:
    """Record the first episode of each of B fresh workers, step by step.

    Args:
        key: consumed.
        world: the environment.
        level: the level.
        policy: logits of the actions, which are sampled.
        num_workers: number of parallel episodes B.
        max_steps: minimum number of steps kept; S is this number rounded up to a multiple of 20.

    Returns:
        Episodes of S steps.
    """
    num_rollouts = -(-max_steps // STEPS_PER_ROLLOUT)
    plan = world.plan(level)
    states = jax.eval_shape(lambda: reset_workers(key, world, plan, num_workers))
    shapes = jax.eval_shape(lambda states: collect(key, world, plan, policy, states, STEPS_PER_ROLLOUT)[1], states)
    steps = num_rollouts * STEPS_PER_ROLLOUT
    blank = jax.tree.map(lambda x: jnp.zeros((steps, *x.shape[1:]), x.dtype), shapes)
    never = jnp.zeros((steps, num_workers), bool)

    def write(record: tuple[Rollout, Array], first_step: Array, rollout: Rollout, lived: Array) -> tuple[Any, Array]:
        def at_step(kept: Array, new: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(kept, new, first_step, axis=0)

        return jax.tree.map(at_step, record[0], rollout), at_step(record[1], lived)

    (rollout, lived), unfinished = _visit(key, world, level, policy, steps, num_workers, write, (blank, never))
    return Episodes(rollout=rollout, lived=lived, complete=~unfinished)


def _visit(
    key: Key[Array, ""],
    world: World,
    level: PyTree,
    policy: Policy,
    max_steps: int,
    num_workers: int,
    visit: Callable[[Any, Array, Rollout, Array], Any],
    start: Any,
) -> tuple[Any, Bool[Array, "B"]]:
    """Fold `visit(carry, first_step, rollout, lived)` over rollouts until every first episode has ended.

    Returns:
        The final carry, and a mask of the episodes unfinished after max_steps.
    """
    reset_key, rollout_key = jax.random.split(key)
    plan = world.plan(level)

    def unfinished(carry: tuple[Array, Any, Array, Any]) -> Array:
        n, _, alive, _ = carry
        return jnp.any(alive) & (n * STEPS_PER_ROLLOUT < max_steps)

    def advance(carry: tuple[Array, Any, Array, Any]) -> tuple[Array, Any, Array, Any]:
        n, states, alive, visited = carry
        states, rollout = collect(jax.random.fold_in(rollout_key, n), world, plan, policy, states, STEPS_PER_ROLLOUT)
        ended = jnp.cumsum(rollout.done, axis=0)
        lived = alive & (ended - rollout.done == 0)
        return n + 1, states, alive & (ended[-1] == 0), visit(visited, n * STEPS_PER_ROLLOUT, rollout, lived)

    states = reset_workers(reset_key, world, plan, num_workers)
    carry = (jnp.int32(0), states, jnp.ones(num_workers, bool), start)
    _, _, alive, visited = jax.lax.while_loop(unfinished, advance, carry)
    return visited, alive
