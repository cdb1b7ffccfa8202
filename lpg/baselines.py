"""The available hand-written rules, each with its number of epochs, minibatches and default hyperparameters."""

from dataclasses import dataclass, field

from levels.world import World, observation_kind
from lpg.rules.actor_critic import A2C, REINFORCE
from lpg.rules.ppo import DPO, PPO
from lpg.update_rule import Hyperparameters, UpdateRule


@dataclass(frozen=True)
class Baseline:
    """A rule, and the fields of `lpg.learner.Learner` that its authors use with it.

    Attributes:
        about: what it is, in a few words, with its source.
        rule: a rule without meta-parameters.
        epochs: passes over a rollout per update.
        minibatches: parts of a rollout, one gradient step each.
        defaults: hyperparameters by kind of observation, "table", "image" or "vector", where they are not those of
            `lpg.update_rule.Hyperparameters`.
    """

    about: str
    rule: UpdateRule
    epochs: int = 1
    minibatches: int = 1
    defaults: dict[str, Hyperparameters] = field(default_factory=dict)

    def hyper(self, world: World) -> Hyperparameters:
        """Return the default hyperparameters of its agents in a world.

        Args:
            world: the environment.

        Returns:
            Float32 scalars.
        """
        own = self.defaults.get(observation_kind(world), Hyperparameters())
        return own.completed(world, self.epochs * self.minibatches)


BASELINES: dict[str, Baseline] = {
    "a2c": Baseline("advantage actor-critic (arXiv:1602.01783), the baseline of every closing table", A2C()),
    "reinforce": Baseline("REINFORCE with a learned baseline (Williams 1992)", REINFORCE()),
    "ppo": Baseline("proximal policy optimisation (arXiv:1707.06347)", PPO(), epochs=4, minibatches=4),
    "dpo": Baseline("discovered policy optimisation (arXiv:2210.05639)", DPO(), epochs=4, minibatches=4),
}
"""4 × 4 as in Huang et al. 2022; DPO keeps PPO's settings, as in Lu et al. 2022."""
