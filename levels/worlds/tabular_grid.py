"""The LPG grid world (arXiv:2007.08794, appendix) with a layout fixed by the level and integer observations."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key

from levels.level import UNUSED, Level

MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""(row, column) offsets: stay, up, down, left, right, then the four diagonals."""


@struct.dataclass
class GridState:
    """State of an episode on a fixed layout."""

    time: Int[Array, ""]  # [] int32, steps taken
    position: Int[Array, ""]  # [] int32, cell of the agent
    present: Int[Array, ""]  # [] int32, bit m is set while object m is there
    terminated: Bool[Array, ""]  # [] bool, a collected object ended the episode


@struct.dataclass
class GridPlan:
    """Tables of one level (S = H·W cells, A actions)."""

    next_cell: Int[Array, "S A"]  # [S, A] int32, where the action leads
    target_cell: Int[Array, "S A"]  # [S, A] int32, cell that the action collects from, S = none
    bit: Int[Array, "S+1"]  # [S + 1] int32, bit of the object on a cell, 0 = none
    reward: Float[Array, "S+1"]  # [S + 1] float32, reward of the object on a cell
    terminate_prob: Float[Array, "S+1"]  # [S + 1] float32, chance that collecting it ends the episode
    start: Int[Array, ""]  # [] int32
    all_present: Int[Array, ""]  # [] int32, bits of all objects
    respawn_probs: Float[Array, "M"]  # [M] float32
    max_steps: Int[Array, ""]  # [] int32


@struct.dataclass
class GridNoise:
    """Random numbers of one step."""

    respawn: Int[Array, ""]  # [] int32, bits of the objects that respawn if they are absent
    terminate: Float[Array, ""]  # [] float32 in [0, 1), compared with the chance that the episode ends


@dataclass(frozen=True)
class TabularGrid:
    """Grid world (levels.world.World) whose layout is fixed by the level, observed as one integer.

    The observation is `position + cells × bitmask(objects present)`, without a time feature. Moving
    into a wall or the border leaves the agent where it is. An object collected in a step may respawn
    from the next step on. Reaching the time limit is a truncation, not a termination.

    Attributes:
        height: rows H of the array, ≥ 1.
        width: columns W of the array, ≥ 1.
        num_objects: number of object slots M, 0..20.
        num_moves: number of moves, 5 (stay and four directions) or 9 (with diagonals).
        auto_collect: whether moving onto an object collects it; otherwise each move has a second
            action, which collects from the cell that the move points to.
    """

    height: int = 6
    width: int = 6
    num_objects: int = 3
    num_moves: int = 5
    auto_collect: bool = True

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"TabularGrid: height and width must be >= 1, got {self.height} and {self.width}")
        if not 0 <= self.num_objects <= 20:
            raise ValueError(f"TabularGrid.num_objects must be in 0..20, got {self.num_objects}")
        if self.num_moves not in (5, 9):
            raise ValueError(f"TabularGrid.num_moves must be 5 or 9, got {self.num_moves}")

    @property
    def num_cells(self) -> int:
        """Number of cells in the array, S = H·W."""
        return self.height * self.width

    @property
    def num_actions(self) -> int:
        return self.num_moves * (1 if self.auto_collect else 2)

    @property
    def continuous_actions(self) -> bool:
        return False

    @property
    def observation_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def num_observations(self) -> int | None:
        return self.num_cells * 2**self.num_objects

    def plan(self, level: Level) -> GridPlan:
        next_cell, target_cell = self.motion(level.walls)
        used = level.object_types != UNUSED
        slot = jnp.where(used, level.object_cells, self.num_cells + 1)
        bits = jnp.where(used, 2 ** jnp.arange(self.num_objects, dtype=jnp.int32), 0)

        def on_cells(values: Array) -> Array:
            return jnp.zeros(self.num_cells + 1, values.dtype).at[slot].set(values, mode="drop")

        return GridPlan(
            next_cell=next_cell,
            target_cell=target_cell,
            bit=on_cells(bits),
            reward=on_cells(level.object_rewards),
            terminate_prob=on_cells(level.object_terminate_probs),
            start=level.start,
            all_present=jnp.sum(bits),
            respawn_probs=jnp.where(used, level.object_respawn_probs, 0.0),
            max_steps=level.max_steps_in_episode,
        )

    def motion(self, walls: Bool[Array, "H W"]) -> tuple[Int[Array, "S A"], Int[Array, "S A"]]:
        """Find where each action leads and from which cell it collects.

        Args:
            walls: [H, W] bool.

        Returns:
            next_cell [S, A] and target_cell [S, A], int32; target S stands for no cell.
        """
        cells = jnp.arange(self.num_cells, dtype=jnp.int32)
        moves = jnp.asarray(MOVES[: self.num_moves], jnp.int32)
        rows = cells[:, None] // self.width + moves[:, 0]
        columns = cells[:, None] % self.width + moves[:, 1]
        inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        to = jnp.where(inside, rows * self.width + columns, 0)
        free = inside & ~walls.ravel()[to]
        moved = jnp.where(free, to, cells[:, None])
        if self.auto_collect:
            return moved, moved
        stayed = jnp.broadcast_to(cells[:, None], moved.shape)
        nothing = jnp.full_like(moved, self.num_cells)
        reached = jnp.where(free, to, self.num_cells)
        return jnp.concatenate([moved, stayed], 1), jnp.concatenate([nothing, reached], 1)

    def noise(self, key: Key[Array, ""], plan: GridPlan, shape: tuple[int, ...]) -> GridNoise:
        # The same numbers compile several times faster if they are drawn flat.
        draws = jax.random.uniform(key, ((self.num_objects + 1) * math.prod(shape),)).reshape(-1, *shape)
        respawn = jnp.zeros(shape, jnp.int32)
        for m in range(self.num_objects):
            respawn = respawn | jnp.where(draws[m] < plan.respawn_probs[m], 2**m, 0)
        return GridNoise(respawn=respawn, terminate=draws[self.num_objects])

    def reset(self, noise: GridNoise, plan: GridPlan) -> GridState:
        del noise
        return GridState(
            time=jnp.int32(0), position=plan.start, present=plan.all_present, terminated=jnp.zeros((), bool)
        )

    def step(
        self, noise: GridNoise, plan: GridPlan, state: GridState, action: Int[Array, ""]
    ) -> tuple[GridState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        target = plan.target_cell[state.position, action]
        collected = state.present & plan.bit[target]
        got = collected != 0
        terminated = got & (noise.terminate < plan.terminate_prob[target])
        state = GridState(
            time=state.time + 1,
            position=plan.next_cell[state.position, action],
            present=(state.present | noise.respawn) & ~collected,
            terminated=terminated,
        )
        reward = jnp.where(got, plan.reward[target], 0.0)
        return state, reward, terminated, state.time >= plan.max_steps

    def observe(self, plan: GridPlan, state: GridState) -> Int[Array, ""]:
        del plan
        return state.position + self.num_cells * state.present
