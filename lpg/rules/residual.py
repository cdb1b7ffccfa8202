"""Residual rules: a hand-written rule, and learned numbers that change its loss."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from lpg.baselines import BASELINES
from lpg.networks import Outputs
from lpg.policy import action_entropy, divergence
from lpg.returns import td_errors
from lpg.rollout import Rollout
from lpg.rules.actor_critic import A2C, ActorCriticTargets, LossWeights, standardised
from lpg.rules.drift import NUM_TERMS
from lpg.rules.residual_features import Memory, Seen, stacked
from lpg.rules.residual_functions import Found, Steps, function_of, no_steps
from lpg.settings import ResidualSettings
from lpg.update_rule import Hyperparameters, Metrics, Progress

MOST = {"advantage": 3.0, "offset": 3.0, "value": 3.0, "entropy": 6.0, "step": 3.0}
"""Largest absolute value of each output; all but the offset are exponents."""

GAIN = {"entropy": 3.0}
"""Factors on outputs before they are clipped, where they are not 1: useful entropy costs differ by orders of
magnitude."""


@dataclass(frozen=True)
class Residual:
    """A2C, PPO or DPO with a learned function of each step that changes the weights of its loss.

    z = f(x) for features x [F] of a step, by default z = x·W, where the outputs z are the factor exp(z) on the
    normalised advantage, the offset z added to it, the factors exp(3·z) on the entropy cost and exp(z) on the value's
    cost, and the factor exp(mean z) on the agent's update. Where W = 0 the rule is its base exactly. Features have no
    unit: if rewards and values are multiplied by one factor, the weights of the loss do not change. Weights are
    computed once per rollout and kept through epochs and minibatches. The drift of PPO or DPO may get eight learned
    terms (`lpg.rules.drift`).

    The recurrent function also reads a prediction y of the agent's and returns its target ŷ, as LPG's; the loss gains
    α_y·KL(y ‖ ŷ), which moves no parameter that the policy or the value depends on.

    There is no constant among the features: it would be another entropy cost or learning rate, which agents tune.

    If an output is not finite at any step of a rollout, the agent's update is skipped.

    Attributes:
        settings: base, features and outputs.
        base: the hand-written rule; by default the one that the settings name.
    """

    settings: ResidualSettings = ResidualSettings()
    base: A2C | None = None

    @cached_property
    def own_base(self) -> A2C:
        """The hand-written rule."""
        rule: Any = self.base or BASELINES[self.settings.base].rule
        return rule

    @property
    def prediction_size(self) -> int:
        return self.settings.classes if self._predicts else 0

    @property
    def _predicts(self) -> bool:
        return self.settings.size == "recurrent"

    @property
    def reads_value(self) -> bool:
        return self.own_base.reads_value

    @property
    def reads_novelty(self) -> bool:
        """Whether a feature needs counts of visits, and so observations that are integers."""
        return "novelty" in self.settings.features

    @property
    def passes(self) -> tuple[int, int]:
        """Epochs and minibatches of the base."""
        own = BASELINES[self.settings.base]
        return own.epochs, own.minibatches

    @property
    def costs(self) -> tuple[str, ...]:
        return (*self.own_base.costs, "kl_cost") if self._predicts else self.own_base.costs

    @property
    def discount(self) -> float:
        """γ of the base."""
        return self.own_base.discount

    @property
    def choices(self) -> dict[str, tuple[float, ...]]:
        """Values worth trying, by field of the base."""
        return self.own_base.choices

    @property
    def architecture(self) -> dict[str, Any]:
        """The part of a rule file from which the rule is rebuilt.

        Returns:
            JSON object of the settings, under "residual".
        """
        return {"residual": {name: list(x) if type(x) is tuple else x for name, x in asdict(self.settings).items()}}

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return meta-parameters that make the rule its base.

        Args:
            key: consumed.

        Returns:
            Dict of float32 arrays: "weights", 0, [F, O] where the function is linear, otherwise [H, O]; "hidden" [F, H]
            of an MLP; "recurrence", "embedding" [Y] and "prediction" [H, Y] of a recurrent function; "drift", 0, [8],
            if that is an output.
        """
        params = function_of(self.settings).init(key, no_steps(self.settings))["params"]
        return params | ({"drift": jnp.zeros(NUM_TERMS)} if "drift" in self.settings.outputs else {})

    def init_state(self) -> Memory:
        return Memory.at_birth()

    def targets(
        self,
        meta_params: PyTree,
        state: Memory,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> tuple[Memory, ActorCriticTargets, Float[Array, ""]]:
        raw = self.own_base.estimates(outputs, next_outputs, rollout)
        seen = self.seen(state, raw, outputs, next_outputs, rollout, progress)
        predictions = [jax.nn.softmax(x.prediction) for x in (outputs, next_outputs) if self._predicts]
        steps = Steps(stacked(self.settings.features, seen), rollout.done, *predictions)
        learned = {"outputs": self.outputs(meta_params, steps), "drift": meta_params.get("drift")}
        finite = jnp.all(jnp.asarray([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(learned)]))
        # Non-finite weights would make the gradients non-finite as well, even under a step of 0.
        learned = jax.tree.map(lambda x: jnp.where(finite, x, 0.0), learned)
        found, drift = learned["outputs"], learned["drift"]
        weights = dict.fromkeys(MOST, jnp.zeros_like(rollout.reward)) | self.bounded(found.outputs)
        step = self.bounded(jnp.mean(found.outputs, axis=(0, 1))).get("step", jnp.float32(0.0))
        targets: Any = self.own_base.targets_from(raw, outputs, rollout)
        targets = targets.replace(
            weights=LossWeights(
                advantage=jnp.exp(weights["advantage"]),
                offset=weights["offset"],
                value=jnp.exp(weights["value"]),
                entropy=jnp.exp(weights["entropy"]),
                drift=None if drift is None else jnp.broadcast_to(drift, (*rollout.reward.shape, NUM_TERMS)),
                log_prediction=found.log_prediction,
            )
        )
        memory = replace(seen.memory, frozen=seen.memory.frozen + ~finite)
        return memory, targets, jnp.where(finite, jnp.exp(step), 0.0)

    def outputs(self, meta_params: PyTree, steps: Steps) -> Found:
        """Return what the learned function says, before it is bounded.

        Args:
            meta_params: the rule's meta-parameters.
            steps: what it reads of a rollout.

        Returns:
            Outputs z [T, B, O], and the prediction's target.
        """
        found: Any = function_of(self.settings).apply({"params": meta_params}, steps)
        return found

    def with_base_fields(self, **fields: Any) -> "Residual":
        """Return the rule on a base with other settings.

        Args:
            fields: values of fields of the base, such as discount or clip.

        Returns:
            The rule.
        """
        base: Any = self.own_base
        return replace(self, base=replace(base, **fields))

    def seen(
        self,
        state: Memory,
        raw: ActorCriticTargets,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> Seen:
        """Return what features are computed from.

        Args:
            state: what the rule remembers of the agent.
            raw: unnormalised advantages and λ-returns [T, B].
            outputs: the agent's outputs for observations [T, B].
            next_outputs: its outputs for the observations after each step [T, B].
            rollout: the rollout [T, B].
            progress: where the agent is in its life.

        Returns:
            The rollout as features read it.
        """
        values = (outputs.value, next_outputs.value)
        return Seen(
            outputs=outputs,
            rollout=rollout,
            progress=progress,
            advantage=standardised(raw.advantage),
            td_error=td_errors(rollout.reward, *values, rollout.terminated, self.discount),
            memory=state.after(raw.advantage, action_entropy(outputs.logits, rollout.action), rollout),
        )

    def bounded(self, found: Float[Array, "... O"]) -> dict[str, Float[Array, "..."]]:
        """Return what the learned part says, by output.

        Args:
            found: [..., O] products of features and weights.

        Returns:
            [...] by output, within ±MOST: exponents of factors, and the offset; 0 leaves the base as it is.
        """
        return {
            name: jnp.clip(GAIN.get(name, 1.0) * found[..., i], -MOST[name], MOST[name])
            for i, name in enumerate(self.settings.step_outputs)
        }

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: ActorCriticTargets, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        loss, metrics = self.own_base.loss(outputs, rollout, targets, hyper)
        if targets.weights is None or targets.weights.log_prediction is None:
            return loss, metrics
        return loss + hyper.kl_cost * divergence(outputs.prediction, targets.weights.log_prediction), metrics
