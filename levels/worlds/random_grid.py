"""The LPG grid world (arXiv:2007.08794, appendix) with a layout drawn in every episode, observed as planes."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key

from levels.level import UNUSED, Level
from levels.worlds.tabular_grid import TabularGrid

NOWHERE = 2**30
"""Rank of an absent object, above every free cell's rank."""


@struct.dataclass
class RandomGridState:
    """State of an episode; cells are ranks in the level's list of free cells."""

    time: Int[Array, ""]  # [] int32, steps taken
    agent_rank: Int[Array, ""]  # [] int32
    object_ranks: Int[Array, "M"]  # [M] int32, NOWHERE while absent
    terminated: Bool[Array, ""]  # [] bool, a collected object ended the episode


@struct.dataclass
class RandomGridPlan:
    """Tables of one level (S = H·W cells, A actions)."""

    next_rank: Int[Array, "S A"]  # [S, A] int32, rank reached from a rank
    target_rank: Int[Array, "S A"]  # [S, A] int32, rank the action collects from, -1 = none
    free_cells: Int[Array, "S"]  # [S] int32, cell of each rank
    num_free: Int[Array, ""]  # [] int32
    walls: Bool[Array, "S"]  # [S] bool
    object_types: Int[Array, "M"]  # [M] int32, -1 = slot unused
    rewards: Float[Array, "M"]  # [M] float32
    terminate_probs: Float[Array, "M"]  # [M] float32
    respawn_probs: Float[Array, "M"]  # [M] float32
    max_steps: Int[Array, ""]  # [] int32


@struct.dataclass
class RandomGridNoise:
    """Random numbers of one step and of the reset that may follow, all uniform in [0, 1)."""

    respawn: Float[Array, "M"]  # [M] float32
    respawn_place: Float[Array, "M"]  # [M] float32
    terminate: Float[Array, ""]  # [] float32
    reset_place: Float[Array, "M+1"]  # [M + 1] float32, agent first


def free_rank(draw: Float[Array, ""], taken: Int[Array, "K"], num_free: Int[Array, ""]) -> Int[Array, ""]:
    """Turn a draw into a uniform rank among the free cells that are not taken.

    Args:
        draw: number uniform in [0, 1).
        taken: [K] distinct ranks in use; NOWHERE takes nothing.
        num_free: number of free cells, greater than the number taken.

    Returns:
        [] int32, a rank in 0..num_free - 1 that is not in `taken`.
    """
    left = num_free - jnp.sum(taken < NOWHERE)
    rank = jnp.minimum((draw * left).astype(jnp.int32), left - 1)
    for other in jnp.sort(taken):
        rank = rank + (rank >= other)
    return rank


@dataclass(frozen=True)
class RandomGrid:
    """Grid world (levels.world.World) that places agent and objects again in every episode.

    An object respawns on a free cell that holds neither the agent nor an object. The observation is
    binary planes [types + 2, H, W]: one per object type, one for the agent and one for the walls.
    A level must have more free cells than objects.

    Attributes:
        grid: array size, slots, moves and collection, as for the tabular world.
        num_types: number of object types, one plane each, ≥ 1.
    """

    grid: TabularGrid = TabularGrid()
    num_types: int = 3

    def __post_init__(self) -> None:
        if self.num_types < 1:
            raise ValueError(f"RandomGrid.num_types must be >= 1, got {self.num_types}")

    @property
    def num_actions(self) -> int:
        return self.grid.num_actions

    @property
    def continuous_actions(self) -> bool:
        return False

    @property
    def observation_shape(self) -> tuple[int, ...]:
        return (self.num_types + 2, self.grid.height, self.grid.width)

    @property
    def num_observations(self) -> int | None:
        return None

    def plan(self, level: Level) -> RandomGridPlan:
        next_cell, target_cell = self.grid.motion(level.walls)
        walls = level.walls.ravel()
        free_cells = jnp.argsort(walls, stable=True).astype(jnp.int32)
        rank = jnp.cumsum(~walls, dtype=jnp.int32) - 1
        reached = jnp.where(target_cell < self.grid.num_cells, rank[target_cell % self.grid.num_cells], -1)
        return RandomGridPlan(
            next_rank=rank[next_cell][free_cells],
            target_rank=reached[free_cells],
            free_cells=free_cells,
            num_free=jnp.sum(~walls, dtype=jnp.int32),
            walls=walls,
            object_types=level.object_types,
            rewards=level.object_rewards,
            terminate_probs=level.object_terminate_probs,
            respawn_probs=level.object_respawn_probs,
            max_steps=level.max_steps_in_episode,
        )

    def noise(self, key: Key[Array, ""], plan: RandomGridPlan, shape: tuple[int, ...]) -> RandomGridNoise:
        del plan
        num_objects = self.grid.num_objects
        # The same numbers compile several times faster if they are drawn flat.
        draws = jax.random.uniform(key, (math.prod(shape) * (3 * num_objects + 2),)).reshape(*shape, -1)
        respawn, respawn_place, reset_place, terminate = jnp.split(
            draws, [num_objects, 2 * num_objects, 3 * num_objects + 1], axis=-1
        )
        return RandomGridNoise(
            respawn=respawn, respawn_place=respawn_place, reset_place=reset_place, terminate=terminate[..., 0]
        )

    def reset(self, noise: RandomGridNoise, plan: RandomGridPlan) -> RandomGridState:
        ranks = jnp.full(self.grid.num_objects + 1, NOWHERE, jnp.int32)
        for m in range(self.grid.num_objects + 1):
            standing = True if m == 0 else plan.object_types[m - 1] != UNUSED
            drawn = free_rank(noise.reset_place[m], ranks, plan.num_free)
            ranks = ranks.at[m].set(jnp.where(standing, drawn, NOWHERE))
        return RandomGridState(
            time=jnp.int32(0), agent_rank=ranks[0], object_ranks=ranks[1:], terminated=jnp.zeros((), bool)
        )

    def step(
        self, noise: RandomGridNoise, plan: RandomGridPlan, state: RandomGridState, action: Int[Array, ""]
    ) -> tuple[RandomGridState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        agent_rank = plan.next_rank[state.agent_rank, action]
        got = state.object_ranks == plan.target_rank[state.agent_rank, action]
        terminated = noise.terminate < jnp.sum(jnp.where(got, plan.terminate_probs, 0.0))
        was_away = state.object_ranks == NOWHERE
        back = was_away & (plan.object_types != UNUSED) & (noise.respawn < plan.respawn_probs)
        object_ranks = jnp.where(got, NOWHERE, state.object_ranks)
        for m in range(self.grid.num_objects):
            # Without auto-collect the agent may stand on an object, and a cell must not count twice.
            shared = jnp.any(object_ranks == agent_rank)
            taken = jnp.concatenate([jnp.where(shared, NOWHERE, agent_rank)[None], object_ranks])
            drawn = free_rank(noise.respawn_place[m], taken, plan.num_free)
            object_ranks = object_ranks.at[m].set(jnp.where(back[m], drawn, object_ranks[m]))
        state = RandomGridState(
            time=state.time + 1, agent_rank=agent_rank, object_ranks=object_ranks, terminated=terminated
        )
        reward = jnp.sum(jnp.where(got, plan.rewards, 0.0))
        return state, reward, terminated, state.time >= plan.max_steps

    def observe(self, plan: RandomGridPlan, state: RandomGridState) -> Bool[Array, "planes H W"]:
        num_cells = self.grid.num_cells
        here = state.object_ranks < NOWHERE
        cells = plan.free_cells[jnp.where(here, state.object_ranks, 0)]
        planes = jnp.zeros((self.num_types + 2, num_cells), bool)
        planes = planes.at[jnp.where(here, plan.object_types, self.num_types + 2), cells].set(True, mode="drop")
        planes = planes.at[self.num_types, plan.free_cells[state.agent_rank]].set(True)
        planes = planes.at[self.num_types + 1].set(plan.walls)
        return planes.reshape(self.observation_shape)
