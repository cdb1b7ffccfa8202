"""The interface shared by learned and hand-written update rules."""

from dataclasses import replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from levels.world import World, observation_kind
from lpg.networks import Outputs
from lpg.rollout import Rollout

Metrics = dict[str, Array]


@struct.dataclass
class Progress:
    """Where an agent is in its life."""

    fraction: Float[Array, ""]  # [] float32 in [0, 1], share of the lifetime used, n / N
    log_lifetime: Float[Array, ""]  # [] float32, log10 of the lifetime in updates, N


DEFAULT_LEARNING_RATES = {"table": 40.0, "image": 1e-3, "vector": 5e-4}
"""Learning rates of GROOVE's agents (arXiv:2310.02782): plain SGD for tables, Adam for networks."""


@struct.dataclass
class Hyperparameters:
    """Learning rates and loss weights, which belong to the agent and may be tuned for an environment.

    `Learner.init` takes Python numbers and replaces None by defaults; inside an agent all fields are arrays.
    """

    # [] float32, for the policy and shared layers; None for the default of the world's kind of observation
    learning_rate: Float[Array, ""] | float | None = None
    # [] float32, for a table of predictions; None for a tenth of learning_rate
    prediction_learning_rate: Float[Array, ""] | float | None = None
    value_cost: Float[Array, ""] | float = 0.5  # [] float32, weight of the value's loss (hand-written rules)
    kl_cost: Float[Array, ""] | float = 0.5  # [] float32, weight of the prediction's divergence, α_y (LPG)
    entropy_cost: Float[Array, ""] | float = 0.01  # [] float32, weight of the policy's entropy (hand-written rules)

    def completed(self, world: World, num_descents: int = 1) -> "Hyperparameters":
        """Return the fields as arrays, with None replaced by defaults.

        Steps of plain SGD on one rollout add up, so a table's default learning rate is divided by their number;
        Adam's is not.

        Args:
            world: the environment that the agent lives in.
            num_descents: gradient steps in an update, epochs × minibatches.

        Returns:
            Float32 arrays of the fields' shapes; scalars where a field is a Python number.
        """
        kind = observation_kind(world)
        rate = self.learning_rate
        if rate is None:
            rate = DEFAULT_LEARNING_RATES[kind] / (num_descents if kind == "table" else 1)
        prediction_rate = rate / 10 if self.prediction_learning_rate is None else self.prediction_learning_rate
        whole = replace(self, learning_rate=rate, prediction_learning_rate=prediction_rate)
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), whole)


class UpdateRule(Protocol):
    """How an agent learns from a rollout.

    `targets` reads the rollout with the agent's outputs held fixed; `loss` is minimised in the
    agent's parameters with the targets held fixed.
    """

    @property
    def prediction_size(self) -> int:
        """Number of classes Y of the prediction; 1 for a value."""
        ...

    @property
    def costs(self) -> tuple[str, ...]:
        """Fields of `Hyperparameters` that weight terms of the loss; a search tunes them."""
        ...

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return initial meta-parameters; () for a hand-written rule."""
        ...

    def targets(
        self,
        meta_params: PyTree,
        outputs: Outputs,
        next_prediction: Float[Array, "T B Y"],
        rollout: Rollout,
        progress: Progress,
    ) -> Any:
        """Compute the targets that the loss moves outputs towards or weights them by, from outputs [T, B].

        The leaves of the returned pytree have leading axes [T, B], so that a learner can split them into minibatches.
        """
        ...

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: Any, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        """Compute the loss to minimise and the metrics to report.

        The loss is a mean over samples in any order: a minibatch has shape [S, 1] rather than [T, B].
        """
        ...
