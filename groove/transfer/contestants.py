"""Contestants that live in an environment: learned rules, hand-written rules and random actions."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from groove.building import build_hyperparameters
from groove.config import TrainConfig
from groove.records.group_folder import GroupFolder
from groove.rules import read_discovered_rule
from groove.transfer.configurations import Configuration
from groove.transfer.environments import Environment
from levels.plugins import absolute
from levels.registry import generator
from levels.world import observation_kind
from lpg.baselines import BASELINES
from lpg.rules.lpg import LPG
from lpg.rules.plugin_rule import PluginRule
from lpg.rules.residual import Residual
from lpg.settings import RuleSettings
from lpg.shipped_rules import RULE_NAME, rule_path
from lpg.update_rule import UpdateRule, passes_of, reads_novelty

RANDOM = "random"
TUNED = " (tuned)"
"""Ends the names of rules with tuned settings."""
HAND_WRITTEN = (RANDOM, *BASELINES)
"""Names of the hand-written rules."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """A rule and everything else that an agent needs to learn by it.

    Attributes:
        name: name in tables and files.
        rule: the update rule, None for random actions.
        meta_params: the rule's meta-parameters, () for a hand-written rule.
        epochs: passes over a rollout in one update.
        minibatches: parts that a rollout is split into, one gradient step each.
        config: config of the run that discovered the rule, None for a hand-written rule.
        tuned: configurations that replace the default, by suite/environment or by suite and kind of observation (see
            `tuning_keys`).
        group: name of the group of meta-seeds whose rule this is one of, None for a rule of its own.
    """

    name: str
    rule: UpdateRule | None = None
    meta_params: PyTree = ()
    epochs: int = 1
    minibatches: int = 1
    config: TrainConfig | None = None
    tuned: dict[str, Configuration] = dataclasses.field(default_factory=dict)
    group: str | None = None

    @property
    def method(self) -> str:
        """What is compared: the group, or the rule itself."""
        return self.name if self.group is None else self.group

    @property
    def is_learned(self) -> bool:
        """Whether the rule was discovered."""
        return self.config is not None

    def configuration(self, environment: Environment) -> Configuration:
        """Return how an agent learns.

        Tuned configurations come first. Without them, agents have the environment's workers and steps; a learned rule
        keeps the hyperparameters of its discovery in worlds with the same kind of observation and gets the defaults
        elsewhere; a hand-written rule gets the defaults.

        Args:
            environment: environment that the agent lives in.

        Returns:
            The configuration.
        """
        for key in tuning_keys(environment):
            if key in self.tuned:
                return self.tuned[key]
        world, config = environment.world, TrainConfig()
        if self.config is not None and _discovered_on(self.config) == observation_kind(world):
            config = self.config
        hyper = build_hyperparameters(config, world, self.epochs * self.minibatches)
        return Configuration(hyper, environment.workers, environment.rollout_length, self.epochs)

    def rule_of(self, configuration: Configuration) -> UpdateRule:
        """Return the rule with the fields of a configuration.

        Args:
            configuration: one of `configuration`.

        Returns:
            The rule; a contestant of random actions has none.
        """
        rule: Any = self.rule
        if not configuration.fields:
            return rule
        if isinstance(rule, Residual):
            return rule.with_base_fields(**configuration.fields)
        return dataclasses.replace(rule, **configuration.fields)

    def is_tuned_for(self, environments: list[Environment]) -> bool:
        """Return whether the contestant has tuned settings for all given environments.

        Args:
            environments: environments that its agents would live in.

        Returns:
            True if each environment has tuned settings, or if the contestant has none at all.
        """
        return not self.tuned or all(set(tuning_keys(environment)) & set(self.tuned) for environment in environments)

    def refuse(self, environment: Environment) -> None:
        """Refuse an environment in which the rule cannot learn.

        Args:
            environment: environment that its agents would live in.

        Raises:
            ValueError: the rule is LPG or TA-LPG, which read probabilities of discrete actions, and the actions are
                continuous; or it counts visits, and observations are not integers.
        """
        if self.rule is not None and reads_novelty(self.rule) and environment.world.num_observations is None:
            raise ValueError(
                f"{environment.suite}/{environment.name} has observations that are not integers, but {self.name} "
                "counts visits to integer observations"
            )
        if isinstance(self.rule, LPG) and environment.world.continuous_actions:
            raise ValueError(
                f"{environment.suite}/{environment.name} has continuous actions, but {self.name} reads probabilities "
                "of discrete ones; residual rules, ppo, dpo, a2c and reinforce support both"
            )

    def fingerprint(self, environment: Environment) -> str:
        """Return the SHA-256 of the contestant's rule, meta-parameters and settings in an environment.

        Args:
            environment: environment that its agents live in.

        Returns:
            The hash as hexadecimal digits.
        """
        words: list[Any] = [self.digest]
        if self.rule is not None:
            words.append(self.configuration(environment).to_json())
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rule, its meta-parameters, passes and discovery, whatever its name and tuned settings."""
        rule = repr(self.rule)
        if isinstance(self.rule, PluginRule):
            # The content of the user's file in place of its path, because the file may move.
            _, _, name = self.rule.settings.rule.rpartition(":")
            rule = f"{dataclasses.asdict(self.rule.settings) | {'rule': name}} {self.rule.sha256}"
        if isinstance(self.rule, Residual):
            rule = f"{rule} {self.rule.own_base}"
        words: list[Any] = [rule, self.epochs, self.minibatches]
        if self.config is not None:
            # What `hyper` reads of it.
            words += [dataclasses.asdict(self.config.agents), _discovered_on(self.config)]
        digest = hashlib.sha256(json.dumps(words).encode())
        for leaf in jax.tree.leaves(self.meta_params):
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()


def _discovered_on(config: TrainConfig) -> str:
    """Return the kind of observation in the worlds that a rule was discovered on."""
    return observation_kind(generator(config.world.levels).world)


def tuning_keys(environment: Environment) -> tuple[str, str]:
    """Return the keys under which tuned settings for an environment are looked up, in order.

    Args:
        environment: the environment.

    Returns:
        The environment's own key, and the key shared by all environments of its suite with the same kind of
        observation. Networks and optimizers differ between kinds, and so do good learning rates.
    """
    own = f"{environment.suite}/{environment.name}"
    return own, f"{environment.suite}: {observation_kind(environment.world)}"


def hand_written(name: str) -> Contestant:
    """Build the contestant of a baseline with its default settings.

    Args:
        name: "random" or a key of `lpg.baselines.BASELINES`.

    Returns:
        The contestant.
    """
    if name == RANDOM:
        return Contestant(RANDOM)
    baseline = BASELINES[name]
    return Contestant(name, baseline.rule, (), baseline.epochs, baseline.minibatches)


def own_rule(name: str) -> Contestant:
    """Build the contestant of a rule of a user's own that has no meta-parameters.

    Args:
        name: FILE.py:NAME.

    Returns:
        The contestant, named NAME.

    Raises:
        ValueError: the file fails or holds no rule, or the rule has meta-parameters, which a rule file must give.
    """
    shown = name.rpartition(":")[2]
    if shown in HAND_WRITTEN:
        raise ValueError(f"{name}: {shown} is the name of a rule that is built in; give yours another name")
    rule = PluginRule(RuleSettings(rule=absolute(name)))
    if jax.tree.leaves(jax.eval_shape(rule.init, jax.random.key(0))):
        raise ValueError(f"{name} has meta-parameters: meta-train it and name its rule file")
    return Contestant(shown, rule)


def learned(path: Path | str) -> Contestant:
    """Load a learned rule from its file.

    Args:
        path: path of the rule file, or the name of a shipped rule.

    Returns:
        The contestant, named after the file, or after its folder if the file is called rule.safetensors; GROUP/seed-N
        in a group.

    Raises:
        RuleFileError: the file is missing, corrupt or not a rule file, or does not describe a rule.
        ValueError: the file does not say how the rule was discovered.
    """
    rule, meta_params, config = read_discovered_rule(path)
    file = rule_path(path)
    folder, name = file.resolve().parent, file.stem
    if file.name == RULE_NAME:
        name = f"{folder.parent.name}/{folder.name}" if GroupFolder.is_group(folder.parent) else folder.name
    return Contestant(name, rule, meta_params, *passes_of(rule), config=config)
