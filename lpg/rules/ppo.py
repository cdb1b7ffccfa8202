"""Hand-written rules that reuse rollouts: PPO and DPO."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from lpg.networks import Outputs
from lpg.policy import action_log_prob
from lpg.rollout import Rollout
from lpg.rules.actor_critic import A2C, ActorCriticTargets, standardised
from lpg.rules.drift import changed_drift


@struct.dataclass
class RatioTargets(ActorCriticTargets):
    """Actor-critic targets with the log-probabilities of the actions when they were taken."""

    log_prob: Float[Array, "T B"]  # [T, B] float32, log π_old(a|s) under the policy that acted


@dataclass(frozen=True)
class DriftRule(A2C, ABC):
    """A2C whose policy loss is −E[r·A − drift(r, A)], where r = π(a|s) / π_old(a|s).

    PPO and DPO share this form (Lu et al. 2022, arXiv:2210.05639). At r = 1 the drift and its gradient
    are 0, so the first gradient step is A2C's.

    Attributes:
        normalise: whether to centre advantages over each minibatch and divide by their standard deviation. A2C
            does so over the rollout; reference implementations of PPO do so over the minibatch (Huang et al.
            2022, "The 37 implementation details of proximal policy optimization").
    """

    def targets_from(self, raw: ActorCriticTargets, outputs: Outputs, rollout: Rollout) -> RatioTargets:
        log_prob = action_log_prob(outputs.logits, rollout.action)
        return RatioTargets(advantage=raw.advantage, value=raw.value, log_prob=log_prob)

    def policy_loss(self, log_prob: Float[Array, "T B"], targets: RatioTargets) -> Float[Array, ""]:
        normalised = standardised(targets.advantage) if self.normalise else targets.advantage
        advantage = targets.weighted(normalised)
        # Log-ratios are bounded because exp would soon overflow, which makes gradients NaN; beyond ±20 they get none.
        log_ratio = jnp.clip(log_prob - targets.log_prob, -20.0, 20.0)
        drift = self.drift(log_ratio, advantage)
        if targets.weights is not None and targets.weights.drift is not None:
            drift = changed_drift(targets.weights.drift, log_ratio, normalised, drift)
        return -jnp.mean(jnp.exp(log_ratio) * advantage - drift)

    @abstractmethod
    def drift(self, log_ratio: Float[Array, "T B"], advantage: Float[Array, "T B"]) -> Float[Array, "T B"]:
        """Return the penalty for moving away from the policy that acted.

        Args:
            log_ratio: [T, B] log-ratios, log r.
            advantage: [T, B] advantages.

        Returns:
            [T, B] penalties, ≥ 0.
        """


@dataclass(frozen=True)
class PPO(DriftRule):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): the clipped surrogate.

    min(r·A, clip(r, 1 − ε, 1 + ε)·A) = r·A − relu((r − clip(r, 1 − ε, 1 + ε))·A).

    Differs: the value loss is not clipped, because clipping it was found to hurt (Andrychowicz et al. 2021,
    arXiv:2006.05990).

    Attributes:
        clip: ε in (0, 1); there is no gain from moving r further than ε from 1.
    """

    clip: float = 0.2

    @property
    def choices(self) -> dict[str, tuple[float, ...]]:
        return super().choices | {"clip": (0.1, 0.2, 0.3)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.clip < 1:
            raise ValueError(f"PPO.clip must be in (0, 1), got {self.clip}")

    def drift(self, log_ratio: Float[Array, "T B"], advantage: Float[Array, "T B"]) -> Float[Array, "T B"]:
        ratio = jnp.exp(log_ratio)
        return jax.nn.relu((ratio - jnp.clip(ratio, 1 - self.clip, 1 + self.clip)) * advantage)


@dataclass(frozen=True)
class DPO(DriftRule):
    """Discovered policy optimisation (Lu et al. 2022, arXiv:2210.05639): a drift found by meta-learning.

    A ≥ 0: relu((r − 1)·A − α·tanh((r − 1)·A / α)); A < 0: relu(A·log r − β·tanh(A·log r / β)).

    Attributes:
        alpha: α > 0, for actions with A ≥ 0.
        beta: β > 0, for actions with A < 0.
    """

    alpha: float = 2.0
    beta: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "beta"):
            if not getattr(self, name) > 0:
                raise ValueError(f"DPO.{name} must be > 0, got {getattr(self, name)}")

    def drift(self, log_ratio: Float[Array, "T B"], advantage: Float[Array, "T B"]) -> Float[Array, "T B"]:
        gain = advantage * jnp.where(advantage >= 0, jnp.expm1(log_ratio), log_ratio)
        scale = jnp.where(advantage >= 0, self.alpha, self.beta)
        return jax.nn.relu(gain - scale * jnp.tanh(gain / scale))
