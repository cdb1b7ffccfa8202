"""XLand-MiniGrid (arXiv:2312.12044): its ports of MiniGrid."""

from dataclasses import dataclass
from typing import Any

import xminigrid
from jaxtyping import Array
from xminigrid.core.constants import NUM_COLORS, NUM_TILES

from levels.time_limit import TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, planes, require_known

WITHOUT_GOAL = ("XLand-", "MiniGrid-Playground")
"""Name prefixes of environments that pay nothing by themselves; XLand's rules are a separate download."""


@dataclass(frozen=True, eq=False)
class XMiniGridWorld(LibraryWorld):
    """An environment of XLand-MiniGrid.

    The observation is the agent's view [V, V, 25], float32: for each cell one plane per kind of tile
    (13) and one per colour (12). The reward is 1 − 0.9·t/limit on reaching the goal, with the
    library's limit.

    Attributes:
        env: the library's environment, without wrappers.
        params: its parameters.
    """

    env: Any
    params: Any

    @property
    def num_actions(self) -> int:
        return int(self.env.num_actions(self.params))

    def begin(self, key: Array) -> tuple[Array, Any]:
        timestep = self.env.reset(self.params, key)
        return self.see(timestep), timestep

    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        del key
        timestep = self.env.step(self.params, inner, action)
        return self.see(timestep), timestep, timestep.reward, timestep.discount == 0

    def see(self, timestep: Any) -> Array:
        """Encode the view of a time step as planes."""
        return planes(timestep.observation, (NUM_TILES, NUM_COLORS))


def environment(name: str) -> tuple[XMiniGridWorld, TimeLimit]:
    """Make an environment with the library's time limit.

    Args:
        name: name as in `xminigrid.make`, such as "MiniGrid-DoorKey-5x5".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown, or the environment has no goal.
    """
    known = [known for known in xminigrid.registered_environments() if not known.startswith(WITHOUT_GOAL)]
    require_known("xminigrid", name, known)
    world = XMiniGridWorld(*xminigrid.make(name))
    return world, time_limit(world.params.max_steps)
