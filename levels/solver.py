"""Exact values of tabular grid levels by finite-horizon dynamic programming: oracle, score and regret.

The state is (steps left, objects present, position). Objects come back independently, so the
expectation over the 2^M sets present next is taken one object at a time. Letters: S = H·W cells,
M objects, R arrivals; returns are undiscounted sums of rewards over one episode.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Int8

from levels.level import Level
from levels.world import World
from levels.worlds.tabular_grid import GridPlan, TabularGrid


def exact_grid(world: World) -> TabularGrid | None:
    """Return the grid of a world whose levels this solver solves.

    Args:
        world: any.

    Returns:
        The world itself if each level places its objects, or None.
    """
    return world if isinstance(world, TabularGrid) else None


@struct.dataclass
class Arrivals:
    """Outcomes of actions as arrivals: a cell, and the object collected on the way to it.

    Arrival r is at cell r mod S. With auto-collect, the cell determines what is collected, and R = S;
    otherwise there is a layer of S arrivals for each object and one for none.
    """

    slot: Int[Array, "R"]  # [R] int32, object collected if it is there, M = none
    of_action: Int[Array, "A S"]  # [A, S] int32, arrival that an action leads to


@struct.dataclass
class ObjectTable:
    """The objects by slot."""

    rewards: Float[Array, "M"]  # [M] float32
    terminate_probs: Float[Array, "M"]  # [M] float32
    respawn_probs: Float[Array, "M"]  # [M] float32, 0 for unused slots


def arrivals(grid: TabularGrid, plan: GridPlan) -> Arrivals:
    """Return the arrivals of all actions from all cells.

    Args:
        grid: the world.
        plan: tables of one level.

    Returns:
        Arrivals with R = S (auto-collect) or (M + 1)·S.
    """
    slots = jnp.arange(grid.num_objects, dtype=jnp.int32)
    is_slot = plan.bit[:, None] == 2**slots
    slot_on_cell = jnp.where(jnp.any(is_slot, 1), jnp.sum(is_slot * slots, 1), grid.num_objects)
    if grid.auto_collect:
        return Arrivals(slot=slot_on_cell[: grid.num_cells], of_action=plan.next_cell.T)
    layer = slot_on_cell[plan.target_cell]
    return Arrivals(
        slot=jnp.repeat(jnp.arange(grid.num_objects + 1), grid.num_cells),
        of_action=(layer * grid.num_cells + plan.next_cell).T,
    )


def arrival_moments(
    table: ObjectTable, slot: Int[Array, "R"], moments: Float[Array, "K sets S"]
) -> Float[Array, "K sets R"]:
    """Return the moments E[G] and E[G²] of the return from each arrival on, given the objects present before the step.

    Let g₀ and g₁ be moments of the later return without and with object m afterwards. The object gives
    (1 - p)·g₀ + p·g₁ if absent and g₁ if present. If it is collected, G = reward + (1 - terminated)·G₀, hence
    E[G] = reward + (1 - p_terminate)·E[G₀] and
    E[G²] = reward² + (1 - p_terminate)·(2·reward·E[G₀] + E[G₀²]).

    Args:
        table: the objects.
        slot: [R] object that each arrival collects, M = none.
        moments: [K, 2^M, S] the first K moments of the return after the step, K = 1 or 2.

    Returns:
        [K, 2^M, R] float32.
    """
    num_objects, num_arrivals, num_moments = table.rewards.shape[0], slot.shape[0], moments.shape[0]
    moments = jnp.tile(moments, (1, 1, num_arrivals // moments.shape[2]))
    for m in range(num_objects):
        reward, lives_on = table.rewards[m], 1 - table.terminate_probs[m]
        by_presence = moments.reshape(num_moments, 2 ** (num_objects - 1 - m), 2, 2**m, num_arrivals)
        gone, there = by_presence[:, :, 0], by_presence[:, :, 1]
        may_return = gone + table.respawn_probs[m] * (there - gone)
        collected = [reward + lives_on * gone[0]]
        if num_moments == 2:
            collected.append(reward**2 + lives_on * (2 * reward * gone[0] + gone[1]))
        present = jnp.where(slot == m, jnp.stack(collected), there)
        by_presence = jnp.stack([may_return, present], axis=2)
        moments = by_presence.reshape(num_moments, 2**num_objects, num_arrivals)
    return moments


def backup(grid: TabularGrid, level: Level) -> Callable[[Array], Array]:
    """Build the one-step backup of a level.

    Args:
        grid: the world.
        level: one level.

    Returns:
        A function from moments [K, 2^M, S] of the return from each state with k steps left to moments [K, 2^M, A, S]
        for each action with k + 1 steps left.
    """
    plan = grid.plan(level)
    ways = arrivals(grid, plan)
    table = ObjectTable(
        rewards=level.object_rewards,
        terminate_probs=level.object_terminate_probs,
        respawn_probs=plan.respawn_probs,
    )
    return lambda moments: arrival_moments(table, ways.slot, moments)[:, :, ways.of_action]


def backed_up(
    step: Callable[[Array], Array], values: Float[Array, "... S"], num_backups: Int[Array, ""]
) -> Float[Array, "... S"]:
    """Return `values` after `num_backups` steps of value iteration, in a loop of exactly that many steps."""

    def body(state: tuple[Array, Array]) -> tuple[Array, Array]:
        count, current = state
        return count + 1, step(current)

    return jax.lax.while_loop(lambda state: state[0] < num_backups, body, (jnp.int32(0), values))[1]


def action_values(grid: TabularGrid, level: Level) -> Callable[[Array], Array]:
    """Return the backup of expected returns alone, from state values [2^M, S] to action values [2^M, A, S]."""
    step = backup(grid, level)
    return lambda values: step(values[None])[0]


def no_values(grid: TabularGrid) -> Float[Array, "sets S"]:
    """Return the values with no steps left."""
    return jnp.zeros((2**grid.num_objects, grid.num_cells), jnp.float32)


def episode_return(grid: TabularGrid, level: Level, value_of: Callable[[Array], Array]) -> Float[Array, ""]:
    """Return the expected return from the start, V_{k+1} = value_of(E[r + (1 - terminated)·V_k]), V_0 = 0.

    Args:
        grid: the world.
        level: one valid level.
        value_of: function from action values [2^M, A, S] to state values [2^M, S].

    Returns:
        [] float32.
    """
    scores_of = action_values(grid, level)
    values = backed_up(lambda v: value_of(scores_of(v)), no_values(grid), level.max_steps_in_episode)
    return values[grid.plan(level).all_present, level.start]


def optimal_return(grid: TabularGrid, level: Level) -> Float[Array, ""]:
    """Return the expected return of the best policy, which may depend on the time step.

    Args:
        grid: the world.
        level: one valid level.

    Returns:
        [] float32.
    """
    return episode_return(grid, level, lambda scores: jnp.max(scores, axis=1))


def random_return(grid: TabularGrid, level: Level) -> Float[Array, ""]:
    """Return the expected return of uniformly random actions.

    Args:
        grid: the world.
        level: one valid level.

    Returns:
        [] float32.
    """
    return episode_return(grid, level, lambda scores: jnp.mean(scores, axis=1))


def random_moments(grid: TabularGrid, level: Level) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return mean and variance of one episode's return under uniformly random actions, E[G] and E[G²] − E[G]².

    Args:
        grid: the world.
        level: one valid level.

    Returns:
        [] float32 and [] float32 ≥ 0; the variance is exact up to rounding of about 1e-6 · E[G]².
    """
    step = backup(grid, level)
    nothing = jnp.stack([no_values(grid)] * 2)
    moments = backed_up(lambda g: jnp.mean(step(g), axis=2), nothing, level.max_steps_in_episode)
    mean, square = moments[:, grid.plan(level).all_present, level.start]
    return mean, jnp.maximum(square - mean**2, 0)


LEAST_GAP = 0.5
"""Least gain of the best policy over random actions by which a return is divided, in standard deviations of a random
episode's return."""


def score_span(grid: TabularGrid, level: Level) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return offset and scale of the scores on a level: the return of random actions, and the best policy's gain.

    Args:
        grid: the world.
        level: one valid level.

    Returns:
        [] float32, R_random, and [] float32 > 0, R* − R_random or `LEAST_GAP` standard deviations of a random episode's
        return, whichever is larger; 1 where both are 0.
    """
    random, variance = random_moments(grid, level)
    span = jnp.maximum(optimal_return(grid, level) - random, LEAST_GAP * jnp.sqrt(variance))
    return random, jnp.where(span > 0, span, 1.0)


SIDE_BY_SIDE = 8
"""Levels that a CPU solves side by side."""


@partial(jax.jit, static_argnums=(0, 1))
def returns_on(return_on: Callable[[TabularGrid, Level], Any], grid: TabularGrid, levels: Level) -> Any:
    """Compute a return on each of n levels, in a program that is compiled once for a grid and a number of levels.

    Levels side by side take as many steps as the longest of them, so a CPU solves those of similar length together.

    Args:
        return_on: such as `optimal_return` or `random_return`, or one function of several of them.
        grid: the world.
        levels: [n, …] valid levels.

    Returns:
        [n] float32, or a tuple of them.
    """
    solve, time_limits = jax.vmap(partial(return_on, grid)), levels.max_steps_in_episode
    num_levels, order = time_limits.shape[0], jnp.argsort(time_limits)
    if num_levels <= SIDE_BY_SIDE or jax.default_backend() != "cpu":
        return solve(levels)
    # Places beyond the last level repeat it; they are cut off again below.
    places = jnp.arange(-(-num_levels // SIDE_BY_SIDE) * SIDE_BY_SIDE).reshape(-1, SIDE_BY_SIDE)
    parts = jax.tree.map(lambda x: x[order[jnp.minimum(places, num_levels - 1)]], levels)
    found = jax.lax.map(solve, parts)
    return jax.tree.map(lambda x: x.reshape(-1)[jnp.argsort(order)], found)


def policy_return(grid: TabularGrid, level: Level, probs: Float[Array, "O A"]) -> Float[Array, ""]:
    """Return the expected return of a fixed policy.

    Args:
        grid: the world.
        level: one valid level.
        probs: [O, A] action probabilities by observation, O = grid.num_observations.

    Returns:
        [] float32.
    """
    by_state = jnp.swapaxes(probs.reshape(-1, grid.num_cells, grid.num_actions), 1, 2)
    return episode_return(grid, level, lambda scores: jnp.sum(by_state * scores, axis=1))


def optimal_policy(grid: TabularGrid, level: Level, num_steps: int) -> Int8[Array, "T O"]:
    """Return the best action at each of the first steps of an episode, by observation.

    Args:
        grid: the world.
        level: one valid level.
        num_steps: number of steps T; the level's max_steps or more give the whole policy.

    Returns:
        [T, O] int8, O = grid.num_observations; action 0 (stay) at steps past the time limit, and the
        lowest-numbered one of equally good actions.
    """
    scores_of = action_values(grid, level)
    later = jnp.maximum(level.max_steps_in_episode - num_steps, 0)
    values = backed_up(lambda v: jnp.max(scores_of(v), axis=1), no_values(grid), later)

    def earlier(values: Array, step: Array) -> tuple[Array, Array]:
        scores = scores_of(values)
        within = step < level.max_steps_in_episode
        actions = jnp.where(within, jnp.argmax(scores, axis=1), 0).astype(jnp.int8)
        return jnp.where(within, jnp.max(scores, axis=1), values), actions.ravel()

    return jax.lax.scan(earlier, values, jnp.arange(num_steps), reverse=True)[1]
