"""The available hand-written rules, each with its number of epochs and minibatches."""

from dataclasses import dataclass

from lpg.rules.actor_critic import A2C, REINFORCE
from lpg.rules.ppo import DPO, PPO
from lpg.update_rule import UpdateRule


@dataclass(frozen=True)
class Baseline:
    """A rule, and the fields of `lpg.learner.Learner` that its authors use with it.

    Attributes:
        about: what it is, in a few words, with its source.
        rule: a rule without meta-parameters.
        epochs: passes over a rollout per update.
        minibatches: parts of a rollout, one gradient step each.
    """

    about: str
    rule: UpdateRule
    epochs: int = 1
    minibatches: int = 1


BASELINES: dict[str, Baseline] = {
    "a2c": Baseline("advantage actor-critic (arXiv:1602.01783), the baseline of every closing table", A2C()),
    "reinforce": Baseline("REINFORCE with a learned baseline (Williams 1992)", REINFORCE()),
    "ppo": Baseline("proximal policy optimisation (arXiv:1707.06347)", PPO(), epochs=4, minibatches=4),
    "dpo": Baseline("discovered policy optimisation (arXiv:2210.05639)", DPO(), epochs=4, minibatches=4),
}
"""4 × 4 as in Huang et al. 2022; DPO keeps PPO's settings, as in Lu et al. 2022."""
