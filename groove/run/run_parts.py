"""What runs that differ in their seed alone share."""

from functools import cached_property
from pathlib import Path
from typing import Any

import jax
from jaxtyping import Array, Key, PyTree

from groove.building import (
    build_generator,
    build_hyperparameters,
    build_learner,
    build_population,
    build_rule,
    build_training,
)
from groove.config import TrainConfig
from groove.discovery.generation_programs import GenerationPrograms
from groove.discovery.meta_training import RunState
from groove.job.agreement import meet
from groove.job.devices import lives_mesh
from groove.run.shared_rules import SharedRule, shared_rule
from groove.scoring.closing_table import ClosingTable, HandWritten, gain, returns_of
from groove.scoring.heldout import HELDOUT_STREAM, VALIDATION_STREAM, Evaluation, LevelSet, draw_level_set
from groove.scoring.intervals import Ends
from lpg.baselines import BASELINES
from lpg.rule_file import describe
from lpg.rules.residual import Residual
from lpg.saved_rules import load_rule
from lpg.shipped_rules import rule_path

VALIDATION_SEEDS = 2
"""Agents of the rule and of its start on each validation level."""


class RunParts:
    """What runs that differ in their seed alone share: objects, compiled programs, level sets and baselines.

    Attributes:
        rule: the rule to discover, without meta-parameters.
        mesh: mesh of the devices.
        training: everything that makes up a generation.
        init: `training.init`, compiled once.
        evaluation: scores the run's rules on validation and held-out levels.
        start: the rule that the search starts from; None for a freshly initialised one.
    """

    def __init__(self, config: TrainConfig, start_from: Path | str | None = None) -> None:
        """Build everything that may refuse the config, before anything is compiled or written.

        Args:
            config: config of the runs; its seed is not read.
            start_from: rule file or shipped rule to start the search at, None for a freshly initialised rule. In a
                job, all processes take the one of the writing process.

        Raises:
            ValueError: the config names something unknown or asks for the impossible, or the rule to start from
                cannot be read or is of another shape.
        """
        self._config = config
        self.rule = build_rule(config)
        self.mesh = lives_mesh(config.run.devices)
        self.training = build_training(config, self.mesh)
        self.init = jax.jit(self.training.init)
        # Scored on the distribution itself, whatever the curriculum makes of it.
        self._levels = build_generator(config)
        self.evaluation = Evaluation(build_population(config, self.mesh, self.training.population.learner))
        if start_from is not None:
            _refuse_other_shape(start_from, self.rule.architecture)
        meet(self.mesh)
        self.start = self.shared_rule(None if start_from is None else rule_path(start_from))
        self._programs: GenerationPrograms | None = None

    def programs(self, run_key: Key[Array, ""], state: RunState) -> GenerationPrograms:
        """Return the programs of a generation, compiled by the first call.

        Args:
            run_key: key of a run, on every device of the mesh.
            state: any state of the run, on every device of the mesh; not kept.

        Returns:
            The programs.
        """
        if self._programs is None:
            self._programs = GenerationPrograms(self.training, run_key, state)
        return self._programs

    def shared_rule(self, path: Path | None) -> SharedRule | None:
        """Read a rule file of these runs on the writing process and send it to the others; see `shared_rule`."""
        return shared_rule(self.mesh, self.rule, path)

    @cached_property
    def heldout(self) -> LevelSet:
        """The held-out levels, which all runs share and read once, in the closing table."""
        return draw_level_set(self._levels, HELDOUT_STREAM, self._config.run.heldout_levels)

    @cached_property
    def validation(self) -> LevelSet:
        """The validation levels, which all runs share, to tune hand-written rules and follow rules as they train.

        As many as the held-out ones, so that both share their programs.
        """
        return draw_level_set(self._levels, VALIDATION_STREAM, self._config.run.heldout_levels)

    @cached_property
    def closing(self) -> ClosingTable:
        """The closing table, which scores its baselines once for all runs."""
        names = dict.fromkeys(("a2c", self.base or "a2c"))
        return ClosingTable(
            learned=self.evaluation,
            hyper=self.training.hyper,
            hand_written={name.upper(): self._hand_written(name) for name in names},
            heldout=self.heldout,
            validation=self.validation,
            num_configurations=self._config.run.tune_configurations,
        )

    @property
    def base(self) -> str | None:
        """The hand-written rule that a residual rule changes; None for other rules."""
        return self.rule.settings.base if isinstance(self.rule, Residual) else None

    def _hand_written(self, name: str) -> HandWritten:
        world, own = self._levels.world, BASELINES[name]
        default = build_hyperparameters(TrainConfig(), world, own.epochs * own.minibatches)
        starts = name == self.base and self.start is None and default == self.training.hyper
        learner = build_learner(self._config, world, own.rule, own.epochs, own.minibatches)
        return HandWritten(
            evaluation=Evaluation(build_population(self._config, self.mesh, learner)),
            default=default,
            shows_default=not starts,
        )

    def validation_gain(self, trained: PyTree, start: PyTree) -> Ends:
        """Compare a rule with the one that the search started at on the validation levels.

        Args:
            trained: meta-parameters of the rule.
            start: meta-parameters of the one at the start.

        Returns:
            Mean difference of their scores on the same levels, with its 95% interval.
        """
        validation, hyper = self.validation, self.training.hyper
        ours, theirs = (
            returns_of(self.evaluation, rule, validation, hyper, VALIDATION_SEEDS) for rule in (trained, start)
        )
        return gain(validation, ours, theirs)

    @property
    def start_name(self) -> str:
        """What the closing table calls the rule at the start of the search."""
        if self.start is not None:
            return "starting rule"
        return "untrained rule" if self.base is None else f"{self.base.upper()} (start)"


def _refuse_other_shape(start_from: Path | str, wanted: dict[str, Any]) -> None:
    found = load_rule(start_from)[0].architecture
    if found != wanted:
        shown = [describe(found), describe(wanted)]
        if shown[0] == shown[1]:
            # Rules of one size that read or change other things.
            shown = [", ".join(f"{name} {value}" for name, value in one["residual"].items()) for one in (found, wanted)]
        raise ValueError(f"--from {start_from}: its rule is {shown[0]}, but the run's is {shown[1]}")
