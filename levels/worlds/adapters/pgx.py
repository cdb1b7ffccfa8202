"""Pgx (arXiv:2303.17503): board, card and MinAtar games for one agent."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import pgx
from flax import struct
from jaxtyping import Array, Float

from levels.time_limit import NO_LIMIT, TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, require_known

AGENT = 0
"""The agent's player id. In every episode, Pgx draws which player begins."""

FREEWAY_STEPS = 2500
"""Steps of an episode of minatar-freeway; one step later, Pgx itself would report a termination."""


@struct.dataclass
class PgxState:
    """A game in which it is the agent's turn, or which is over."""

    game: Any  # Pgx's state
    owed: Float[Array, ""]  # [] float32, reward from before the agent's first action, paid with its first step


@dataclass(frozen=True, eq=False)
class PgxWorld(LibraryWorld):
    """A Pgx game played by one agent; in games for more players, all others make uniformly random legal moves.

    A step is the agent's move and those of the others until it is the agent's turn again; its reward
    is the sum of the agent's rewards over all of them. An illegal move loses the game at once, as in Pgx, and
    the agent does not see which moves are legal. Observations are Pgx's boards or planes as seen by the
    agent, as float32. The MinAtar games have Pgx's defaults: sticky actions and only the actions that do something.

    Attributes:
        game: the Pgx environment.
    """

    game: Any

    @cached_property
    def num_actions(self) -> int:
        return int(jax.eval_shape(lambda: self.game.init(jax.random.PRNGKey(0))).legal_action_mask.shape[0])

    def begin(self, key: Array) -> tuple[Array, PgxState]:
        game_key, move_key = jax.random.split(key)
        game, owed = self.others_move(move_key, self.game.init(game_key), jnp.float32(0))
        return self.see(game), PgxState(game=game, owed=owed)

    def advance(self, key: Array, inner: PgxState, action: Array) -> tuple[Array, PgxState, Array, Array]:
        step_key, move_key = jax.random.split(key)
        game = self.game.step(inner.game, action, step_key)
        game, reward = self.others_move(move_key, game, inner.owed + game.rewards[AGENT])
        return self.see(game), PgxState(game=game, owed=jnp.float32(0)), reward, game.terminated

    def see(self, game: Any) -> Array:
        """Return the game as the agent sees it; Pgx's public observation is that of the player whose turn it is."""
        return jnp.asarray(self.game._observe(game, jnp.int32(AGENT)), jnp.float32)

    def others_move(self, key: Array, game: Any, reward: Array) -> tuple[Any, Array]:
        """Let the other players move until it is the agent's turn or the game is over.

        Args:
            key: raw words of a key, consumed.
            game: Pgx's state.
            reward: [] float32, reward that the agent got so far.

        Returns:
            Pgx's state, and the reward plus what the agent got from these moves.
        """
        if self.game.num_players == 1:
            return game, reward

        def others_turn(carry: tuple[Array, Any, Array]) -> Array:
            _, game, _ = carry
            return (game.current_player != AGENT) & ~game.terminated

        def move(carry: tuple[Array, Any, Array]) -> tuple[Array, Any, Array]:
            key, game, reward = carry
            key, action_key, step_key = jax.random.split(key, 3)
            action = jax.random.categorical(action_key, jnp.where(game.legal_action_mask, 0.0, -jnp.inf))
            game = self.game.step(game, action.astype(jnp.int32), step_key)
            return key, game, reward + game.rewards[AGENT]

        _, game, reward = jax.lax.while_loop(others_turn, move, (key, game, reward))
        return game, reward


def environment(name: str) -> tuple[PgxWorld, TimeLimit]:
    """Make a game and its level; only Freeway has a time limit.

    Args:
        name: name as in `pgx.make`, such as "minatar-breakout", "2048" or "connect_four".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown.
    """
    require_known("pgx", name, pgx.available_envs())
    return PgxWorld(pgx.make(name)), time_limit(FREEWAY_STEPS if name == "minatar-freeway" else NO_LIMIT)
