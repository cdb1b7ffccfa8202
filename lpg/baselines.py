"""The available hand-written rules, each with its number of epochs and minibatches."""

from dataclasses import dataclass

from lpg.rules.actor_critic import A2C, REINFORCE
from lpg.rules.ppo import DPO, PPO
from lpg.update_rule import UpdateRule


@dataclass(frozen=True)
class Baseline:
    """A rule, and the fields of `lpg.learner.Learner` that its authors use with it.

    Attributes:
        rule: a rule without meta-parameters.
        epochs: passes over a rollout per update.
        minibatches: parts of a rollout, one gradient step each.
    """

    rule: UpdateRule
    epochs: int = 1
    minibatches: int = 1


BASELINES: dict[str, Baseline] = {
    "a2c": Baseline(A2C()),
    "reinforce": Baseline(REINFORCE()),
    "ppo": Baseline(PPO(), epochs=4, minibatches=4),
    "dpo": Baseline(DPO(), epochs=4, minibatches=4),
}
"""4 × 4 as in Huang et al. 2022; DPO keeps PPO's settings, as in Lu et al. 2022."""
