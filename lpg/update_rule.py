"""The common interface of learned and hand-written update rules."""

import math
from dataclasses import replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from levels.world import World, observation_kind
from lpg.networks import Outputs
from lpg.rollout import Rollout
from lpg.settings import AgentSettings

Metrics = dict[str, Array]


@struct.dataclass
class Progress:
    """Where an agent is in its life."""

    fraction: Float[Array, ""]  # [] float32 in [0, 1], fraction of the lifetime used, n / N
    log_lifetime: Float[Array, ""]  # [] float32, log10 of the lifetime in updates, N


DEFAULT_LEARNING_RATES = {"table": 40.0, "image": 1e-3, "vector": 5e-4}
"""Learning rates of GROOVE's agents (arXiv:2310.02782): plain SGD on tables, Adam on networks."""


@struct.dataclass
class Hyperparameters:
    """An agent's hyperparameters, which may be tuned for an environment.

    `Learner.init` accepts Python numbers and fills in defaults for None; inside an agent all are arrays.
    """

    # [] float32, for the policy and shared layers; None for the default of the world's kind of observation
    learning_rate: Float[Array, ""] | float | None = None
    # [] float32, for tables of values and predictions; None for a tenth of learning_rate
    prediction_learning_rate: Float[Array, ""] | float | None = None
    value_cost: Float[Array, ""] | float = 0.5  # [] float32, weight of the value loss (hand-written rules)
    kl_cost: Float[Array, ""] | float = AgentSettings.kl_cost  # [] float32, weight α_y of the prediction's KL (LPG)
    entropy_cost: Float[Array, ""] | float = 0.01  # [] float32, weight of the policy's entropy (hand-written rules)
    # [] float32, exponent p ≥ 0: learning rates are multiplied by (1 − n/N)^p; 0 keeps them, 1 anneals linearly
    learning_rate_decay: Float[Array, ""] | float = 0.0
    entropy_decay: Float[Array, ""] | float = 0.0  # [] float32, exponent ≥ 0 by which entropy_cost decays likewise

    def completed(self, world: World, num_descents: int = 1) -> "Hyperparameters":
        """Return these hyperparameters as arrays, with defaults in place of None.

        Several steps of plain SGD on one rollout add up, so a table's default learning rate is divided by their
        number. Adam's is not.

        Args:
            world: the agent's environment.
            num_descents: gradient steps per update, epochs × minibatches.

        Returns:
            Float32 scalars, or arrays where arrays were given.

        Raises:
            ValueError: an exponent that is a Python number is negative or not finite.
        """
        for name in ("learning_rate_decay", "entropy_decay"):
            exponent = getattr(self, name)
            if isinstance(exponent, int | float) and not 0 <= exponent < math.inf:
                raise ValueError(f"Hyperparameters.{name} must be >= 0 and finite, got {exponent}")
        kind = observation_kind(world)
        rate = self.learning_rate
        if rate is None:
            rate = DEFAULT_LEARNING_RATES[kind] / (num_descents if kind == "table" else 1)
        prediction_rate = rate / 10 if self.prediction_learning_rate is None else self.prediction_learning_rate
        whole = replace(self, learning_rate=rate, prediction_learning_rate=prediction_rate)
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), whole)

    def at(self, fraction: Float[Array, ""]) -> "Hyperparameters":
        """Return the hyperparameters of an update, with the learning rates and entropy cost of the agent's age.

        Differs from implementations of PPO (Huang et al. 2022, "The 37 implementation details of proximal policy
        optimization") in the exponent: theirs is 1, for the learning rate alone.

        Args:
            fraction: [] float32, fraction n / N of the lifetime used; beyond 1 it counts as 1.

        Returns:
            The hyperparameters with learning rates times (1 − fraction)^learning_rate_decay and the entropy cost
            times (1 − fraction)^entropy_decay; exactly these hyperparameters where the exponents are 0.
        """

        def factor(exponent: Any) -> Float[Array, ""]:
            # A compiled power need not be exactly 1 at exponent 0, nor a number if the base is 0 as well.
            return jnp.where(exponent == 0, 1.0, jnp.maximum(1.0 - fraction, 0.0) ** exponent)

        exponents = {
            "learning_rate": self.learning_rate_decay,
            "prediction_learning_rate": self.learning_rate_decay,
            "entropy_cost": self.entropy_decay,
        }
        return replace(self, **{name: getattr(self, name) * factor(p) for name, p in exponents.items()})


def passes_of(rule: "UpdateRule") -> tuple[int, int]:
    """Return how often a learner of a rule learns from a rollout unless it is set otherwise.

    Args:
        rule: the rule.

    Returns:
        Epochs and minibatches: the rule's `passes`, or 1 and 1 if it has none.
    """
    passes: tuple[int, int] = getattr(rule, "passes", (1, 1))
    return passes


def reads_novelty(rule: "UpdateRule") -> bool:
    """Return whether a rule reads counts of visits, which its agents then keep.

    Args:
        rule: the rule.

    Returns:
        The rule's `reads_novelty`, or False if it does not say.
    """
    reads: bool = getattr(rule, "reads_novelty", False)
    return reads


class UpdateRule(Protocol):
    """A rule by which an agent learns from a rollout.

    `targets` reads the rollout with the agent's outputs held fixed. `loss` is minimised with respect
    to the agent's parameters with the targets held fixed.
    """

    @property
    def prediction_size(self) -> int:
        """Number of classes Y of the agent's prediction; 0 for a rule that reads none."""
        ...

    @property
    def reads_value(self) -> bool:
        """Whether the agent has a value."""
        ...

    @property
    def costs(self) -> tuple[str, ...]:
        """Fields of `Hyperparameters` that weight terms of the loss; a search tunes them."""
        ...

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Draw meta-parameters; () for a hand-written rule."""
        ...

    def init_state(self) -> PyTree:
        """Return what the rule remembers of an agent at its birth; () for a rule that remembers nothing."""
        ...

    def targets(
        self,
        meta_params: PyTree,
        state: PyTree,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> tuple[PyTree, Any, Float[Array, ""] | float]:
        """Compute what the loss moves the outputs towards or weights them by.

        Args:
            meta_params: the rule's meta-parameters.
            state: what the rule remembers of this agent.
            outputs: the agent's outputs for observations [T, B].
            next_outputs: its outputs for the observations after each step [T, B].
            rollout: the rollout [T, B].
            progress: where the agent is in its life.

        Returns:
            What the rule remembers from now on; the targets, a pytree whose leaves lead with [T, B], so that a
            learner can split it into minibatches; and a factor ≥ 0 on the agent's update, 1 to leave it alone.
        """
        ...

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: Any, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        """Compute the loss to minimise and the metrics to report.

        The loss is a mean over samples, whose order must not matter: a minibatch is [1, S] instead of [T, B].
        """
        ...
