"""Hand-written actor-critic rules: A2C and REINFORCE with a baseline."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from lpg.networks import Outputs
from lpg.policy import action_entropy, action_log_prob
from lpg.returns import generalised_advantage
from lpg.rollout import Rollout
from lpg.update_rule import Hyperparameters, Metrics, Progress


@struct.dataclass
class LossWeights:
    """What a learned rule changes of an actor-critic's loss, step by step."""

    advantage: Float[Array, "T B"]  # [T, B] float32 > 0, factor on the normalised advantage
    offset: Float[Array, "T B"]  # [T, B] float32, added to it afterwards
    value: Float[Array, "T B"]  # [T, B] float32 > 0, factor on the squared error of the value
    entropy: Float[Array, "T B"]  # [T, B] float32 > 0, factor on the entropy cost
    # [T, B, 8] float32, weights of the terms of `lpg.rules.drift`, the same in all steps; None for the base's drift
    drift: Float[Array, "T B K"] | None = None
    # [T, B, Y] float32, log ŷ, target of the agent's prediction; None for a rule without one
    log_prediction: Float[Array, "T B Y"] | None = None


@struct.dataclass
class ActorCriticTargets:
    """The critic's regression targets and the actor's advantages."""

    advantage: Float[Array, "T B"]  # [T, B] float32
    value: Float[Array, "T B"]  # [T, B] float32, return that the critic learns to predict
    weights: LossWeights | None = struct.field(kw_only=True, default=None)  # None for the plain loss

    def weighted(self, advantage: Float[Array, "T B"]) -> Float[Array, "T B"]:
        """Return advantages as the policy's loss reads them.

        Args:
            advantage: [T, B] advantages, normalised if the rule normalises them.

        Returns:
            [T, B], the same without weights.
        """
        return advantage if self.weights is None else self.weights.advantage * advantage + self.weights.offset


def standardised(advantage: Float[Array, "T B"]) -> Float[Array, "T B"]:
    """Return advantages minus their mean, divided by their standard deviation.

    Args:
        advantage: [T, B] advantages.

    Returns:
        [T, B] with mean 0 and standard deviation 1, or all 0 if the advantages are equal.
    """
    return (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + 1e-8)


@dataclass(frozen=True)
class A2C:
    """Advantage actor-critic (Mnih et al. 2016, arXiv:1602.01783) with generalised advantages.

    Loss: −E[log π(a|s)·A] + c_v·½E[(V − R)²] − c_e·H(π), with A normalised over the rollout.

    Attributes:
        discount: γ in [0, 1].
        gae_lambda: λ of the advantage estimate, in [0, 1].
        normalise: whether to centre advantages over the rollout and divide by their standard deviation.
    """

    discount: float = 0.99
    gae_lambda: float = 0.95
    normalise: bool = True

    def __post_init__(self) -> None:
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{type(self).__name__}.{name} must be in [0, 1], got {getattr(self, name)}")

    @property
    def prediction_size(self) -> int:
        return 0

    @property
    def reads_value(self) -> bool:
        return True

    @property
    def costs(self) -> tuple[str, ...]:
        return ("value_cost", "entropy_cost")

    @property
    def choices(self) -> dict[str, tuple[float, ...]]:
        """Values worth trying, by field, for a search for good settings."""
        return {"discount": (0.95, 0.99, 0.995), "gae_lambda": (0.9, 0.95, 1.0)}

    def init(self, key: Key[Array, ""]) -> PyTree:
        del key
        return ()

    def init_state(self) -> PyTree:
        return ()

    def targets(
        self,
        meta_params: PyTree,
        state: PyTree,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> tuple[PyTree, ActorCriticTargets, float]:
        del meta_params, progress
        return state, self.targets_from(self.estimates(outputs, next_outputs, rollout), outputs, rollout), 1.0

    def targets_from(self, raw: ActorCriticTargets, outputs: Outputs, rollout: Rollout) -> ActorCriticTargets:
        """Return the targets, given unnormalised advantages.

        Args:
            raw: the result of `estimates`.
            outputs: the agent's outputs for observations [T, B].
            rollout: the rollout [T, B].

        Returns:
            The targets [T, B].
        """
        del outputs, rollout
        return ActorCriticTargets(standardised(raw.advantage), raw.value) if self.normalise else raw

    def estimates(self, outputs: Outputs, next_outputs: Outputs, rollout: Rollout) -> ActorCriticTargets:
        """Compute unnormalised advantages and λ-returns.

        Args:
            outputs: the agent's outputs for observations [T, B].
            next_outputs: its outputs for the observations after each step [T, B].
            rollout: the rollout [T, B].

        Returns:
            The targets [T, B].
        """
        advantage = generalised_advantage(
            rollout.reward,
            outputs.value,
            next_outputs.value,
            rollout.terminated,
            rollout.truncated,
            self.discount,
            self.gae_lambda,
        )
        return ActorCriticTargets(advantage=advantage, value=outputs.value + advantage)

    def policy_loss(self, log_prob: Float[Array, "T B"], targets: Any) -> Float[Array, ""]:
        """Return the actor's term of the loss.

        Args:
            log_prob: [T, B], log π(a|s) of the actions taken.
            targets: the result of `targets`.

        Returns:
            Scalar to minimise.
        """
        return -jnp.mean(log_prob * targets.weighted(targets.advantage))

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: ActorCriticTargets, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        log_prob = action_log_prob(outputs.logits, rollout.action)
        policy_loss = self.policy_loss(log_prob, targets)
        errors, entropies = (outputs.value - targets.value) ** 2, action_entropy(outputs.logits, rollout.action)
        policy_entropy = jnp.mean(entropies)
        bonus = policy_entropy
        if targets.weights is not None:
            errors, bonus = targets.weights.value * errors, jnp.mean(targets.weights.entropy * entropies)
        value_loss = 0.5 * jnp.mean(errors)
        loss = policy_loss + hyper.value_cost * value_loss - hyper.entropy_cost * bonus
        return loss, {"policy_loss": policy_loss, "prediction_loss": value_loss, "entropy": policy_entropy}


@dataclass(frozen=True)
class REINFORCE(A2C):
    """REINFORCE with a learned baseline (Williams 1992): Monte Carlo returns, unnormalised advantages.

    Differs: where a rollout ends before its episode does, the baseline stands in for the rest of the return.
    """

    gae_lambda: float = 1.0
    normalise: bool = False

    @property
    def choices(self) -> dict[str, tuple[float, ...]]:
        # Another λ would be another rule.
        return {"discount": super().choices["discount"]}
