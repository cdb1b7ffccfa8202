"""The size of a quantity over an agent's life, by which rules make what they read free of its unit."""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

LEAST_SCALE = 1e-8


@struct.dataclass
class Scale:
    """Root mean square of all numbers seen so far."""

    squares: Float[Array, ""]  # [] float32, mean square of them
    count: Float[Array, ""]  # [] float32, rollouts so far

    @classmethod
    def at_birth(cls) -> "Scale":
        """Return the scale of an agent that has not yet lived."""
        return cls(jnp.zeros(()), jnp.zeros(()))

    def after(self, numbers: Float[Array, "T B"]) -> "Scale":
        """Return the scale with one more rollout.

        Args:
            numbers: [T, B] numbers of the rollout.

        Returns:
            The scale; a rollout that is not finite does not change the mean.
        """
        square, count = jnp.mean(numbers**2), self.count + 1.0
        mean = self.squares + (jnp.where(jnp.isfinite(square), square, self.squares) - self.squares) / count
        return Scale(squares=mean, count=count)

    @property
    def sigma(self) -> Float[Array, ""]:
        """[] float32, σ, the root mean square, at least 1e-8."""
        return jnp.maximum(jnp.sqrt(self.squares), LEAST_SCALE)

    def relative(self, numbers: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return numbers without their unit.

        Args:
            numbers: [...] numbers in the unit of the scale.

        Returns:
            [...], symlog(x/σ).
        """
        return symlog(numbers / self.sigma)


def symlog(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return sign(x)·log(1 + |x|) (Hafner et al. 2023, arXiv:2301.04104).

    Args:
        x: [...] numbers.

    Returns:
        [...] numbers of the same signs.
    """
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))
