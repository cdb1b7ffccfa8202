"""Grid worlds as a first-class gymnax environment whose parameters are the level."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Bool, Float, Key

from levels.level import Level
from levels.worlds.random_grid import RandomGrid, RandomGridState
from levels.worlds.tabular_grid import GridState, TabularGrid

GridWorldState = GridState | RandomGridState


class GridWorld(Environment[Any, Any]):
    """A grid world behind gymnax 1.x's interface: spaces, auto-reset, wrappers, vmap over levels.

    Environments of equal grids are equal and have the same hash, so neither recompiles the other's
    programs.
    """

    def __init__(self, grid: TabularGrid | RandomGrid | None = None) -> None:
        """Make the environment of a grid.

        Args:
            grid: fixed sizes and actions of the world; a tabular 6×6 world with 3 objects by default.
        """
        self.grid = TabularGrid() if grid is None else grid

    def __eq__(self, other: object) -> bool:
        return type(other) is GridWorld and other.grid == self.grid

    def __hash__(self) -> int:
        return hash((GridWorld, self.grid))

    @property
    def name(self) -> str:
        return "GridWorld-groove" if isinstance(self.grid, TabularGrid) else "RandomGridWorld-groove"

    @property
    def num_actions(self) -> int:
        return self.grid.num_actions

    @property
    def default_params(self) -> Level:
        """An empty level with one object of reward 1 in the far corner."""
        tabular = self.grid if isinstance(self.grid, TabularGrid) else self.grid.grid
        slots = np.arange(tabular.num_objects)
        first = slots == 0
        return Level(
            max_steps_in_episode=jnp.int32(100),
            walls=jnp.zeros((tabular.height, tabular.width), bool),
            height=jnp.int32(tabular.height),
            width=jnp.int32(tabular.width),
            start=jnp.int32(0),
            object_cells=jnp.asarray(np.where(first, tabular.num_cells - 1, 0), jnp.int32),
            object_types=jnp.asarray(np.where(first, 0, -1), jnp.int32),
            object_rewards=jnp.asarray(first, jnp.float32),
            object_terminate_probs=jnp.asarray(first, jnp.float32),
            object_respawn_probs=jnp.zeros(tabular.num_objects, jnp.float32),
            lifetime=jnp.int32(250),
        )

    def reset_env(self, key: Key[Array, ""], params: Level) -> tuple[Array, GridWorldState]:
        plan: Any = self.grid.plan(params)
        state: Any = self.grid.reset(self.grid.noise(key, plan, ()), plan)  # type: ignore[arg-type]
        return self.grid.observe(plan, state), state

    def step_env(
        self, key: Key[Array, ""], state: Any, action: Any, params: Level
    ) -> tuple[Array, GridWorldState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        plan: Any = self.grid.plan(params)
        noise: Any = self.grid.noise(key, plan, ())
        state, reward, terminated, _ = self.grid.step(noise, plan, state, action)
        observation = self.grid.observe(plan, state)
        return *jax.lax.stop_gradient((observation, state)), reward, terminated, {}

    def observe(self, key: Key[Array, ""], state: Any, action: Any, params: Level) -> Array:
        del key, action
        plan: Any = self.grid.plan(params)
        return self.grid.observe(plan, state)

    def is_terminated(self, state: Any, params: Level) -> Bool[Array, ""]:
        del params
        return state.terminated

    def action_space(self, params: Level | None = None) -> spaces.Discrete:
        del params
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: Level | None = None) -> spaces.Discrete | spaces.Box:
        del params
        if isinstance(self.grid, TabularGrid):
            return spaces.Discrete(self.grid.num_cells * 2**self.grid.num_objects)
        return spaces.Box(0, 1, self.grid.observation_shape, jnp.bool_)

    def state_space(self, params: Level) -> spaces.Dict:
        tabular = self.grid if isinstance(self.grid, TabularGrid) else self.grid.grid
        fields: dict[str, Any] = {
            "time": spaces.Discrete(int(params.max_steps_in_episode) + 1),
            "terminated": spaces.Discrete(2),
        }
        if isinstance(self.grid, TabularGrid):
            fields["position"] = spaces.Discrete(tabular.num_cells)
            fields["present"] = spaces.Discrete(2**tabular.num_objects)
        else:
            fields["agent_rank"] = spaces.Discrete(tabular.num_cells)
            fields["object_ranks"] = spaces.Box(0, 2**30, (tabular.num_objects,), jnp.int32)
        return spaces.Dict(fields)
