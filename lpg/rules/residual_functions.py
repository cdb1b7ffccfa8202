"""The functions from features to outputs that a residual rule can learn, one for each size; all start at 0."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Bool, Float

from lpg.cores.recurrent import BackwardRecurrence
from lpg.settings import ResidualSettings


@struct.dataclass
class Steps:
    """What a function reads of a rollout."""

    features: Float[Array, "T B F"]  # [T, B, F]
    done: Bool[Array, "T B"]  # [T, B], whether the episode ended with this step
    prediction: Float[Array, "T B Y"] | None = None  # [T, B, Y], probabilities y(s); None without a prediction
    next_prediction: Float[Array, "T B Y"] | None = None  # [T, B, Y], y(s′)


@struct.dataclass
class Found:
    """What a function says of a rollout."""

    outputs: Float[Array, "T B O"]  # [T, B, O], z
    log_prediction: Float[Array, "T B Y"] | None = None  # [T, B, Y], log ŷ; None without a prediction


def _weights(module: nn.Module, rows: int, columns: int) -> Array:
    """Declare the last layer, which is 0 at first."""
    return jnp.asarray(module.param("weights", nn.initializers.zeros, (rows, columns)))


def _product(x: Array, weights: Array) -> Array:
    # So few numbers cost nothing at full precision.
    return jnp.matmul(x, weights, precision=jax.lax.Precision.HIGHEST)


class Linear(nn.Module):
    """z = x·W."""

    settings: ResidualSettings

    @nn.compact
    def __call__(self, steps: Steps) -> Found:
        weights = _weights(self, len(self.settings.features), len(self.settings.step_outputs))
        return Found(_product(steps.features, weights))


class MLP(nn.Module):
    """z = swish(x·V)·W. Without biases it is 0 where all features are."""

    settings: ResidualSettings

    @nn.compact
    def __call__(self, steps: Steps) -> Found:
        shape = (len(self.settings.features), self.settings.units)
        hidden = jnp.asarray(self.param("hidden", nn.initializers.lecun_normal(), shape))
        weights = _weights(self, self.settings.units, len(self.settings.step_outputs))
        return Found(_product(nn.swish(_product(steps.features, hidden)), weights))


class Recurrent(nn.Module):
    """A GRU from a rollout's end to its start, which also reads and teaches a prediction of the agent's, as in LPG.

    z = (h − h₀)·W, where h₀ is the state that the GRU would have if all that it reads were 0, so that z is 0 there. Of
    a uniform prediction it reads 0.

    Differs from LPG's: φ is linear, and no ReLU follows the GRU.
    """

    settings: ResidualSettings

    @nn.compact
    def __call__(self, steps: Steps) -> Found:
        assert steps.prediction is not None and steps.next_prediction is not None
        classes, units = self.settings.classes, self.settings.units
        embedding = jnp.asarray(self.param("embedding", nn.initializers.normal(1.0), (classes,)))
        read, next_read = (_product(y - 1 / classes, embedding) for y in (steps.prediction, steps.next_prediction))
        predicted = jnp.stack([read, jnp.where(steps.done, 0.0, next_read)], axis=-1)
        inputs = jnp.concatenate([steps.features, predicted], axis=-1)
        recurrence = BackwardRecurrence(units, name="recurrence")
        hidden = recurrence(inputs, steps.done)
        moved = hidden - recurrence(jnp.zeros_like(inputs), steps.done)
        weights = _weights(self, units, len(self.settings.step_outputs))
        target = jnp.asarray(self.param("prediction", nn.initializers.lecun_normal(), (units, classes)))
        return Found(_product(moved, weights), jax.nn.log_softmax(_product(hidden, target)))


FUNCTIONS: dict[str, type[nn.Module]] = {"linear": Linear, "mlp": MLP, "recurrent": Recurrent}
"""Size -> its function."""


def function_of(settings: ResidualSettings) -> nn.Module:
    """Return the function of a residual rule.

    Args:
        settings: its size, features, outputs, units and classes are read.

    Returns:
        A flax module, called with `Steps`.
    """
    return FUNCTIONS[settings.size](settings)


def no_steps(settings: ResidualSettings) -> Steps:
    """Return one step of one worker, all 0, from whose shapes meta-parameters are drawn.

    Args:
        settings: its features, size and classes are read.

    Returns:
        The step.
    """
    predicted = jnp.zeros((1, 1, settings.classes)) if settings.size == "recurrent" else None
    return Steps(jnp.zeros((1, 1, len(settings.features))), jnp.zeros((1, 1), bool), predicted, predicted)
