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
"""The agent's player id. Pgx draws in every episode which player begins."""

FREEWAY_STEPS = 2500
"""Steps of an episode of minatar-freeway, which Pgx would call a termination one step later."""


@struct.dataclass
class PgxState:
    """A game where it is the agent's turn, or over."""

    game: Any  # Pgx's state
    owed: Float[Array, ""]  # [] float32, reward from before the agent's first action, paid with its first step


@dataclass(frozen=True, eq=False)
class PgxWorld(LibraryWorld):
    """A Pgx game played by one agent; in games for more, all others move uniformly at random among legal moves.

    A step is the agent's move and those of the others until it is the agent's turn again; its reward
    is what the agent got in all of them. An illegal move loses the game at once, as in Pgx, and the
    agent is not told which moves are legal. Observations are Pgx's boards or planes as seen by the
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
        """The game as the agent sees it; Pgx's public observation is that of the player whose turn it is."""
        return jnp.asarray(self.game._observe(game, jnp.int32(AGENT)), jnp.float32)

    def others_move(self, key: Array, game: Any, reward: Array) -> tuple[Any, Array]:
        """Let the other players move until it is the agent's turn or the game is over.

        Args:
            key: consumed; raw words of a key.
            game: Pgx's state.
            reward: [] float32, what the agent got so far.

        Returns:
            Pgx's state and the reward with what the agent got from these moves.
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
    """A game and its level: no time limit but Freeway's.

    Args:
        name: as in `pgx.make`, such as "minatar-breakout", "2048" or "connect_four".

    Returns:
        The world and its level.

    Raises:
        ValueError: unknown name.
    """
    require_known("pgx", name, pgx.available_envs())
    return PgxWorld(pgx.make(name)), time_limit(FREEWAY_STEPS if name == "minatar-freeway" else NO_LIMIT)
