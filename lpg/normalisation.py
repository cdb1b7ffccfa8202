"""Running statistics that normalise an agent's observations and rewards, for control with continuous actions."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from lpg.rollout import Rollout

CLIP = 10.0
"""Largest absolute value of a normalised observation or reward."""

LEAST_VARIANCE = 1e-8
"""Values count as constant, and keep their scale, up to this variance, or up to this fraction of their squared mean
where that is above 1."""


@struct.dataclass
class Moments:
    """Mean and variance of all values so far."""

    count: Float[Array, ""]  # [] float32, number of values
    mean: Float[Array, "..."]  # [...] float32, shaped like one value
    squares: Float[Array, "..."]  # [...] float32, sum of squared distances from the mean

    @classmethod
    def of(cls, values: Float[Array, "n ..."]) -> "Moments":
        """Return the moments of a batch.

        Args:
            values: [n, ...] float32, n ≥ 1.

        Returns:
            Moments of these values alone.
        """
        mean = jnp.mean(values, axis=0)
        return cls(count=jnp.float32(len(values)), mean=mean, squares=jnp.sum((values - mean) ** 2, axis=0))

    @property
    def variance(self) -> Float[Array, "..."]:
        """[...] float32, population variance."""
        return self.squares / self.count

    @property
    def scale(self) -> Float[Array, "..."]:
        """[...] float32, standard deviation; 1 for what has hardly varied so far, whose changes would be clipped."""
        varies = self.variance > LEAST_VARIANCE * jnp.maximum(self.mean**2, 1.0)
        return jnp.sqrt(jnp.where(varies, self.variance, 1.0))

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of values (Chan et al. 1983, "Algorithms for computing the sample variance").

        Args:
            other: moments of further values.

        Returns:
            The moments of all values.
        """
        count, apart = self.count + other.count, other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + apart * (other.count / count),
            squares=self.squares + other.squares + apart**2 * (self.count * (other.count / count)),
        )


@struct.dataclass
class Normalisation:
    """Scales of an agent's observations and returns; a rollout's observations count from the next one on."""

    observations: Moments  # of observations, each [...]
    returns: Moments  # of the discounted returns of episodes so far, after each step, each []
    discounted: Float[Array, "B"]  # [B] float32, discounted return of each worker's episode so far

    @classmethod
    def at_birth(cls, observation: Float[Array, "B ..."]) -> "Normalisation":
        """Return the statistics of an agent that has seen one observation of each worker.

        Args:
            observation: [B, ...] float32, the first observations.

        Returns:
            The statistics.
        """
        zero = jnp.zeros(())
        return cls(
            observations=Moments.of(observation.astype(jnp.float32)),
            returns=Moments(count=zero, mean=zero, squares=zero),
            discounted=jnp.zeros(len(observation)),
        )

    def observation(self, observation: Array) -> Float[Array, "..."]:
        """Return what the network sees of observations: (o − mean) / scale, clipped to ±10.

        Args:
            observation: [...] observations with any leading axes.

        Returns:
            The same shape, float32 in -10..10.
        """
        moments = self.observations
        return jnp.clip((observation - moments.mean) / moments.scale, -CLIP, CLIP)

    def after(self, rollout: Rollout, discount: float) -> tuple["Normalisation", Rollout]:
        """Return the statistics after a rollout, and the rollout as the agent learns from it.

        Observations are as the agent saw them when it acted. Rewards are divided by the standard deviation of the
        discounted returns R_t = γR_{t−1} + r_t of each worker (Engstrom et al. 2020, arXiv:2005.12729), those of this
        rollout included, and clipped to ±10. R starts at 0 in every episode.

        Args:
            rollout: the rollout [T, B] as the world made it.
            discount: γ in [0, 1].

        Returns:
            The statistics and the normalised rollout.
        """

        def add(discounted: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            reward, done = step
            discounted = discount * discounted + reward
            return jnp.where(done, 0.0, discounted), discounted

        discounted, returns = jax.lax.scan(add, self.discounted, (rollout.reward, rollout.done))
        observations = rollout.observation.astype(jnp.float32)
        later = Normalisation(
            observations=self.observations.merged(Moments.of(observations.reshape(-1, *observations.shape[2:]))),
            returns=self.returns.merged(Moments.of(returns.reshape(-1))),
            discounted=discounted,
        )
        seen = replace(
            rollout,
            observation=self.observation(rollout.observation),
            next_observation=self.observation(rollout.next_observation),
            reward=jnp.clip(rollout.reward / later.returns.scale, -CLIP, CLIP),
        )
        return later, seen
