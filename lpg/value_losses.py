"""How poorly a value estimate fits an agent's own episodes, by which value-based curricula rank levels."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Key, PyTree

from levels.world import World
from lpg.episodes import Episodes, Policy, recorded_episodes
from lpg.returns import generalised_advantage

RIDGE = 1e-3
"""Weight of the penalty in the regression of returns on array observations."""


@struct.dataclass
class ValueLosses:
    """Means over the steps of each complete episode, then over those episodes; NaN if there are none."""

    positive: Float[Array, ""]  # [] float32, of max(GAE, 0)
    absolute: Float[Array, ""]  # [] float32, of |GAE|
    mean_value: Float[Array, ""]  # [] float32, of V(s)


@dataclass(frozen=True)
class ValueProbe:
    """Value losses of an agent whose rule has no critic.

    V is a regression of returns on the states they were obtained from: the mean return for each
    integer observation, a ridge regression for other observations.

    Differs: undiscounted, so that V has the same units as the returns and regrets it is compared with.

    Attributes:
        max_steps: number of steps, rounded up to a multiple of 20, within which an episode must end to count, ≥ 1.
        gae_lambda: λ of the advantage estimate (GAE), in [0, 1].
    """

    max_steps: int
    gae_lambda: float = 0.95

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ValueError(f"ValueProbe.max_steps must be >= 1, got {self.max_steps}")
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"ValueProbe.gae_lambda must be in [0, 1], got {self.gae_lambda}")

    def __call__(
        self, key: Key[Array, ""], world: World, level: PyTree, policy: Policy, num_workers: int
    ) -> ValueLosses:
        """Compute the value losses of a policy on a level.

        Args:
            key: consumed.
            world: the environment.
            level: the level.
            policy: logits of the actions, which are sampled.
            num_workers: number of episodes.

        Returns:
            Scalars.
        """
        episodes = recorded_episodes(key, world, level, policy, num_workers, self.max_steps)
        return self.of_episodes(world, episodes)

    def of_episodes(self, world: World, episodes: Episodes) -> ValueLosses:
        """Compute the value losses of recorded episodes.

        Args:
            world: the environment of the episodes.
            episodes: recorded episodes [S, B].

        Returns:
            Scalars.
        """
        rollout, lived = episodes.rollout, episodes.lived & episodes.complete
        reward = jnp.where(lived, rollout.reward, 0.0)
        returns = jnp.cumsum(reward[::-1], axis=0)[::-1]
        if world.num_observations is not None:
            value, next_value = _table_values(world.num_observations, episodes, returns, lived)
        else:
            value, next_value = _linear_values(len(world.observation_shape), episodes, returns, lived)
        # V estimates the return within the episode, so nothing follows its end, not even after a truncation.
        done = rollout.done | ~lived
        advantage = generalised_advantage(
            reward, value, next_value, done, done, discount=1.0, gae_lambda=self.gae_lambda
        )

        def mean(numbers: Float[Array, "S B"]) -> Float[Array, ""]:
            in_time = jnp.sum(numbers * lived, axis=0) / jnp.maximum(jnp.sum(lived, axis=0), 1)
            return jnp.mean(in_time, where=episodes.complete)

        return ValueLosses(
            positive=mean(jnp.maximum(advantage, 0.0)), absolute=mean(jnp.abs(advantage)), mean_value=mean(value)
        )


def _table_values(
    num_observations: int, episodes: Episodes, returns: Float[Array, "S B"], lived: Bool[Array, "S B"]
) -> tuple[Float[Array, "S B"], Float[Array, "S B"]]:
    """Return V of the states before and after each step, the mean return from each observation."""
    seen = episodes.rollout.observation
    visits = jnp.zeros(num_observations).at[seen].add(lived)
    table = jnp.zeros(num_observations).at[seen].add(returns * lived) / jnp.maximum(visits, 1)
    return table[seen], table[episodes.rollout.next_observation]


def _linear_values(
    observation_rank: int, episodes: Episodes, returns: Float[Array, "S B"], lived: Bool[Array, "S B"]
) -> tuple[Float[Array, "S B"], Float[Array, "S B"]]:
    """Return V of the states before and after each step, by ridge regression with an intercept."""

    def features(observation: Array) -> Float[Array, "S B F"]:
        flat = observation.astype(jnp.float32).reshape(*observation.shape[: observation.ndim - observation_rank], -1)
        return jnp.concatenate([flat, jnp.ones((*flat.shape[:-1], 1))], axis=-1)

    seen = features(episodes.rollout.observation)
    weighted = seen * lived[..., None]
    count = jnp.maximum(jnp.sum(lived), 1)
    gram = jnp.einsum("sbf,sbg->fg", weighted, seen) / count
    moment = jnp.einsum("sbf,sb->f", weighted, returns) / count
    weights = jax.scipy.linalg.solve(gram + RIDGE * jnp.eye(gram.shape[0]), moment, assume_a="pos")
    return seen @ weights, features(episodes.rollout.next_observation) @ weights
