"""The learned policy gradient: LPG (arXiv:2007.08794) and TA-LPG (arXiv:2402.05828)."""

from dataclasses import asdict, dataclass
from typing import Any, get_args

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Bool, Float, Key, PyTree

from lpg.cores.recurrent import BackwardRecurrence
from lpg.networks import Outputs
from lpg.policy import action_log_prob, divergence, entropy
from lpg.rollout import Rollout
from lpg.scale import Scale
from lpg.settings import Precision, RuleSettings
from lpg.update_rule import Hyperparameters, Metrics, Progress


@struct.dataclass
class LearnedTargets:
    """The update targets that the rule gives the agent."""

    policy_weight: Float[Array, "T B"]  # [T, B] float32, π̂, weight of the action taken
    log_prediction: Float[Array, "T B Y"]  # [T, B, Y] float32, log ŷ, the prediction's target


class _RuleNetwork(nn.Module):
    """Map a rollout to targets: shared embedding φ of predictions, backward recurrence, ReLU, two heads."""

    settings: RuleSettings
    precision: Precision

    @nn.compact
    def __call__(
        self,
        reward: Float[Array, "T B"],
        done: Bool[Array, "T B"],
        action_prob: Float[Array, "T B"],
        prediction: Float[Array, "T B Y"],
        next_prediction: Float[Array, "T B Y"],
        progress: Progress,
    ) -> LearnedTargets:
        embedding_hidden = nn.Dense(self.settings.embedding_size, name="embedding_hidden")
        embedding_output = nn.Dense(1, name="embedding_output")

        def embed(classes: Float[Array, "T B Y"]) -> Float[Array, "T B"]:
            return embedding_output(nn.relu(embedding_hidden(classes)))[..., 0]

        next_embedding = jnp.where(done, 0.0, embed(next_prediction))
        inputs = [reward, done.astype(jnp.float32), action_prob, embed(prediction), next_embedding]
        if self.settings.rule == "ta-lpg":
            inputs += [jnp.broadcast_to(x, reward.shape) for x in (progress.fraction, progress.log_lifetime)]
        recurrence = BackwardRecurrence(
            self.settings.hidden_size, self.settings.cell, self.precision, name="recurrence"
        )
        hidden = nn.relu(recurrence(jnp.stack(inputs, axis=-1), done))
        policy_weight = nn.Dense(1, name="policy_head")(hidden)[..., 0]
        return LearnedTargets(
            policy_weight=policy_weight,
            log_prediction=jax.nn.log_softmax(nn.Dense(self.settings.prediction_size, name="prediction_head")(hidden)),
        )


@dataclass(frozen=True)
class LPG:
    """Learned policy gradient (Oh et al. 2020, arXiv:2007.08794).

    It reads x_t = [r_t, d_t, π(a_t|s_t), φ(y(s_t)), φ(y(s_{t+1}))] from a rollout's end to its start
    and returns π̂_t and ŷ_t. The agent then follows E[∇log π(a|s)·π̂ − α_y ∇KL(y(s) ‖ ŷ)].

    With rule "ta-lpg" it also reads n/N, the fraction of the lifetime used, and log10 N, where N is
    the lifetime in updates (TA-LPG, Jackson et al. 2024, arXiv:2402.05828).

    If it is scale-free it reads symlog(r_t/σ) in place of r_t, where σ is the root mean square of the rewards of the
    agent's life so far: rewards times a factor then leave the targets as they are.

    Differs: the discount γ is not an input, because no lifetime here draws its own discount.

    Attributes:
        settings: settings of the rule's network; rule "ta-lpg" also reads the lifetime.
        precision: precision of the recurrent products; it depends on the device and is not part of the rule.
    """

    settings: RuleSettings = RuleSettings()
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"LPG.precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}")

    @property
    def prediction_size(self) -> int:
        return self.settings.prediction_size

    @property
    def reads_value(self) -> bool:
        return False

    @property
    def costs(self) -> tuple[str, ...]:
        return ("kl_cost",)

    @property
    def architecture(self) -> dict[str, Any]:
        """The part of a rule file from which the rule is rebuilt; everything but the precision.

        Returns:
            JSON object of constructor arguments.
        """
        fields = asdict(self.settings)
        reads_lifetime, scale_free = fields.pop("rule") == "ta-lpg", fields.pop("scale_free")
        # Named only where it is true: rule files that were written before the option existed stay as they are.
        return {**fields, "lifetime_inputs": reads_lifetime} | ({"scale_free": True} if scale_free else {})

    @property
    def _network(self) -> _RuleNetwork:
        return _RuleNetwork(self.settings, self.precision)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Draw meta-parameters from the network's default initialisation.

        Args:
            key: consumed.

        Returns:
            Nested dict of float32 arrays; `targets` also accepts a recurrent kernel that is a `LowRank` matrix.
        """
        steps, classes = jnp.zeros((1, 1)), jnp.zeros((1, 1, self.prediction_size))
        progress = Progress(fraction=jnp.zeros(()), log_lifetime=jnp.zeros(()))
        return self._network.init(key, steps, steps > 0, steps, classes, classes, progress)["params"]

    def init_state(self) -> PyTree:
        return Scale.at_birth() if self.settings.scale_free else ()

    def targets(
        self,
        meta_params: PyTree,
        state: PyTree,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> tuple[PyTree, LearnedTargets, float]:
        reward = rollout.reward
        if self.settings.scale_free:
            state = state.after(reward)
            reward = state.relative(reward)
        targets: Any = self._network.apply(
            {"params": meta_params},
            reward,
            rollout.done,
            jnp.exp(action_log_prob(outputs.logits, rollout.action)),
            jax.nn.softmax(outputs.prediction),
            jax.nn.softmax(next_outputs.prediction),
            progress,
        )
        return state, targets, 1.0

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: LearnedTargets, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        log_prob = action_log_prob(outputs.logits, rollout.action)
        policy_loss = -jnp.mean(log_prob * targets.policy_weight)
        kl = divergence(outputs.prediction, targets.log_prediction)
        metrics = {
            "policy_loss": policy_loss,
            "prediction_loss": kl,
            "entropy": jnp.mean(entropy(outputs.logits)),
        }
        return policy_loss + hyper.kl_cost * kl, metrics
