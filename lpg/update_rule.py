"""The one interface of learned and hand-written update rules."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from lpg.networks import Outputs
from lpg.rollout import Rollout

Metrics = dict[str, Array]


@struct.dataclass
class Progress:
    """Where an agent is in its life."""

    fraction: Float[Array, ""]  # [] float32 in [0, 1], share of the lifetime used, n / N
    log_lifetime: Float[Array, ""]  # [] float32, log10 of the lifetime in updates, N


@struct.dataclass
class Hyperparameters:
    """What belongs to the agent and may be tuned for an environment."""

    learning_rate: Float[Array, ""]  # [] float32, step size of the policy (and of shared layers)
    prediction_learning_rate: Float[Array, ""]  # [] float32, step size of a table of predictions
    prediction_cost: Float[Array, ""]  # [] float32, weight of the prediction's loss: α_y, value cost
    entropy_cost: Float[Array, ""]  # [] float32, weight of the policy's entropy (hand-written rules)


class UpdateRule(Protocol):
    """How an agent learns from a rollout.

    `targets` reads the rollout with the agent's outputs held fixed; `loss` is minimised in the
    agent's parameters with the targets held fixed.
    """

    @property
    def prediction_size(self) -> int:
        """Y, classes of the prediction; 1 for a value."""
        ...

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Meta-parameters; () for a hand-written rule."""
        ...

    def targets(
        self,
        meta_params: PyTree,
        outputs: Outputs,
        next_prediction: Float[Array, "T B Y"],
        rollout: Rollout,
        progress: Progress,
    ) -> Any:
        """What the outputs are to be moved to or weighted by, from outputs of [T, B] observations.

        A pytree whose leaves lead with [T, B], so that a learner can deal them into minibatches.
        """
        ...

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: Any, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        """Loss to minimise and what to report of it.

        A mean over samples of no order: a minibatch comes as [S, 1] in place of [T, B].
        """
        ...


def action_log_prob(logits: Float[Array, "T B A"], action: Array) -> Float[Array, "T B"]:
    """log π(a|s) of the actions taken.

    Args:
        logits: [T, B, A].
        action: [T, B] int32.

    Returns:
        [T, B], ≤ 0.
    """
    log_policy = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(log_policy, action[..., None], axis=-1)[..., 0]


def entropy(logits: Float[Array, "... K"]) -> Float[Array, "..."]:
    """Entropy of a categorical distribution, in nats.

    Args:
        logits: [..., K].

    Returns:
        [...], in [0, log K].
    """
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)
