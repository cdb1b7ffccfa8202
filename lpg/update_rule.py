"""The one interface of learned and hand-written update rules."""

from typing import Any, Protocol

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
