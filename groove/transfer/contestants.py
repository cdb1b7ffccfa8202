"""Whoever lives in an environment: a learned rule, a hand-written one, or random actions."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from groove.building import build_hyperparameters
from groove.config import TrainConfig
from groove.rules import read_discovered_rule
from groove.transfer.environments import Environment
from levels.registry import generator
from levels.world import observation_kind
from lpg.baselines import BASELINES
from lpg.shipped_rules import rule_path
from lpg.update_rule import Hyperparameters, UpdateRule

RANDOM = "random"
TUNED = " (tuned)"
"""Ends the names of rules with tuned settings."""
HAND_WRITTEN = (RANDOM, *BASELINES)
"""Names of the hand-written rules."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """A rule with all that an agent needs to live by it.

    Attributes:
        name: in tables and files.
        rule: the update rule, None for random actions.
        meta_params: of the rule, () for a hand-written one.
        epochs: passes over a rollout in one update.
        minibatches: parts of a rollout, a step of descent each.
        config: of the run that discovered the rule, None for a hand-written one.
        tuned: step sizes and costs in place of the default ones, by suite/environment or by suite and kind of
            observation (see `tuning_keys`).
    """

    name: str
    rule: UpdateRule | None = None
    meta_params: PyTree = ()
    epochs: int = 1
    minibatches: int = 1
    config: TrainConfig | None = None
    tuned: dict[str, Hyperparameters] = dataclasses.field(default_factory=dict)

    @property
    def is_learned(self) -> bool:
        """Whether the rule was discovered."""
        return self.config is not None

    def hyper(self, environment: Environment) -> Hyperparameters:
        """Step sizes and costs of an agent.

        A learned rule has those of its discovery in worlds with the same kind of observation, and the
        defaults for the kind elsewhere; a hand-written rule has the defaults.

        Args:
            environment: where the agent lives.

        Returns:
            Scalars.
        """
        for key in tuning_keys(environment):
            if key in self.tuned:
                return self.tuned[key]
        world, config = environment.world, TrainConfig()
        if self.config is not None and observation_kind(generator(self.config.world.levels).world) == observation_kind(
            world
        ):
            config = self.config
        return build_hyperparameters(config, world, self.epochs * self.minibatches)

    def is_tuned_for(self, environments: list[Environment]) -> bool:
        """Whether there are tuned settings for environments.

        Args:
            environments: to live in.

        Returns:
            True where each of them has some, or nothing is tuned.
        """
        return not self.tuned or all(set(tuning_keys(environment)) & set(self.tuned) for environment in environments)

    def refuse(self, environment: Environment) -> None:
        """Whether the rule can learn in an environment at all.

        Args:
            environment: where it is to live.

        Raises:
            ValueError: a learned rule, which reads probabilities of actions, and actions of floats.
        """
        if self.is_learned and environment.world.continuous_actions:
            raise ValueError(
                f"{environment.suite}/{environment.name} has continuous actions, and {self.name} reads probabilities "
                "of discrete ones; ppo, dpo, a2c and reinforce support both"
            )

    def fingerprint(self, environment: Environment) -> str:
        """Return the SHA-256 of the contestant's rule, weights and settings in an environment.

        Args:
            environment: where it lives.

        Returns:
            Hexadecimal digits.
        """
        words: list[Any] = [repr(self.rule), self.epochs, self.minibatches]
        if self.rule is not None:
            words.append([float(x) for x in jax.tree.leaves(self.hyper(environment))])
        digest = hashlib.sha256(json.dumps(words).encode())
        for leaf in jax.tree.leaves(self.meta_params):
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()


def tuning_keys(environment: Environment) -> tuple[str, str]:
    """Where tuned settings of an environment are looked for.

    Args:
        environment: any.

    Returns:
        The environment's own key, and that of all environments of its suite with the same kind of observation:
        networks and optimizers differ between kinds, and so do good step sizes.
    """
    own = f"{environment.suite}/{environment.name}"
    return own, f"{environment.suite}: {observation_kind(environment.world)}"


def hand_written(name: str) -> Contestant:
    """A baseline with its defaults.

    Args:
        name: "random" or a key of `lpg.baselines.BASELINES`.

    Returns:
        The contestant.
    """
    if name == RANDOM:
        return Contestant(RANDOM)
    baseline = BASELINES[name]
    return Contestant(name, baseline.rule, (), baseline.epochs, baseline.minibatches)


def learned(path: Path | str) -> Contestant:
    """A rule from its file.

    Args:
        path: of the rule, or the name of a shipped one.

    Returns:
        The contestant, named after the run's folder for a file called rule.safetensors.

    Raises:
        RuleFileError: the file is missing, corrupt, foreign or describes no rule.
        ValueError: it does not say how the rule was discovered.
    """
    rule, meta_params, config = read_discovered_rule(path)
    path = rule_path(path)
    stem = path.resolve().parent.name if path.stem == "rule" else path.stem
    return Contestant(stem, rule, meta_params, config=config)


def named_apart(contestants: list[Contestant]) -> list[Contestant]:
    """Give rules of one name numbers, and learned ones that are called like a hand-written one.

    Args:
        contestants: with names that may repeat.

    Returns:
        The same, with names that do not: "laptop", "laptop 2", …
    """
    given = {contestant.name for contestant in contestants}
    taken: set[str] = set()
    apart = []
    for contestant in contestants:
        name, number = contestant.name, 1
        while name in taken or (number > 1 and name in given) or (contestant.is_learned and name in HAND_WRITTEN):
            number += 1
            name = f"{contestant.name} {number}"
        taken.add(name)
        apart.append(replace(contestant, name=name))
    return apart
