"""The hand-written rules, each with its number of passes over a rollout."""

from dataclasses import dataclass

from lpg.rules.actor_critic import A2C, REINFORCE
from lpg.rules.ppo import DPO, PPO
from lpg.update_rule import UpdateRule


@dataclass(frozen=True)
class Baseline:
    """A rule and the `lpg.learner.Learner` settings that its authors use.

    Attributes:
        rule: a rule without meta-parameters.
        epochs: passes over a rollout in one update.
        minibatches: parts of a rollout; each is one gradient step.
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
