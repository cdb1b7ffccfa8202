"""The run: one generation after another, logged and checkpointed along the way."""

import time
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from rich.console import Console

from groove.config import TrainConfig
from groove.discovery.curricula import first_replay, why_no_replay, why_untrained
from groove.discovery.meta_training import RunState
from groove.errors import CommandError, UsageError, one_line
from groove.job.agreement import anywhere, differs, from_writer
from groove.job.devices import local, replicated
from groove.plugin_fields import plugin_files
from groove.records.checkpoints import CheckpointError
from groove.records.run_folder import RunFolder
from groove.run.run_files import NoFiles, RunFiles
from groove.run.run_parts import RunParts
from groove.run.stop_requests import stop_requests
from groove.scoring.closing_table import TRAINED, render
from groove.scoring.heldout import TRAINING_STREAM, LevelSet, counted, stream_key
from groove.scoring.intervals import bracketed
from groove.versions import recorded_versions
from lpg.rules.residual import Residual

NO_STEPS = {"env_steps": 0, "antagonist_env_steps": 0}
LEAST_PATIENCE = 50
"""Generations in a row without a level that trains before a run stops, at least; more where replay begins late."""

PACKAGES = ("jax", "jaxlib", "flax", "optax", "evosax", "gymnax", "numpy")


class RunStopped(Exception):
    """The run ended before its last generation; the message says why and how to continue."""


class RunInterrupted(RunStopped):
    """A person or the system asked the run to stop."""

    def __init__(self, generation: int, path: Path, seed: int | None = None) -> None:
        """Say how to continue.

        Args:
            generation: the last generation that was run.
            path: folder to resume, of the run or of its group.
            seed: the run's seed in its group, None for a run of its own.
        """
        where = "" if seed is None else f"seed {seed} "
        super().__init__(f"{where}stopped after generation {generation}; continue with: groove resume {path}")
        self.generation = generation


class Run:
    """One meta-training run.

    Attributes:
        config: the run's config.
        console: console to print progress to.
        parts: what it shares with runs of other seeds.
        training: everything that makes up a generation.
        key: typed key from which all random numbers of the run's generations come.
    """

    def __init__(
        self, config: TrainConfig, console: Console | None = None, start_from: Path | str | None = None
    ) -> None:
        """Build everything that may refuse the config, before anything is compiled or written.

        Args:
            config: the run's config.
            console: console to print progress to; the terminal by default.
            start_from: rule file, or name of a shipped rule, to start the search at; a fresh rule by default.

        Raises:
            ValueError: the config names something unknown or asks for the impossible, or the rule to start from
                cannot be read or is of another shape.
        """
        self.config, self.console = config, console or Console()
        self._plugins = plugin_files(config)
        self.parts = RunParts(config, start_from)
        self.training = self.parts.training
        self.key = stream_key(TRAINING_STREAM, config.run.seed)

    def with_seed(self, seed: int) -> "Run":
        """Return a run that differs in its seed alone and shares all parts with this one.

        Args:
            seed: seed in 0..2**32 - 1.

        Returns:
            The run.
        """
        other = copy(self)
        other.config = self.config.replaced(seed=seed)
        other.key = stream_key(TRAINING_STREAM, seed)
        return other

    @property
    def note(self) -> str | None:
        """What a user should know before the run starts; None if there is nothing to say."""
        reason = why_no_replay(self.config, self.training.generator, self.training.num_levels)
        return reason and f"--curriculum {self.config.curriculum.curriculum} replays no level in this run: {reason}"

    @property
    def record(self) -> dict[str, Any]:
        """What `config.json` and a rule's provenance say about the run: config, versions, devices, plugins, start."""
        record: dict[str, Any] = {
            "config": self.config.to_json(),
            "versions": recorded_versions(*PACKAGES),
            "devices": [device.device_kind for device in self.parts.mesh.devices.flat],
        }
        if self._plugins:
            record["plugins"] = self._plugins
        if self.parts.start is not None:
            record["start_sha256"] = self.parts.start.sha256
        return record

    def start(self, folder: RunFolder | None) -> None:
        """Run from the first generation to the last.

        Args:
            folder: the run's folder, locked; None on a process that does not write.

        Raises:
            RunStopped: the run ended early, with a checkpoint.
            RunFolderError, CheckpointError, RuleFileError: something could not be written.
        """
        if folder is not None:
            folder.write_config(self.record)
            self.console.print(f"run: {folder.path}", soft_wrap=True, highlight=False, markup=False)
        self._run(self._files(folder), self.initial_state(), NO_STEPS)

    def resume(self, folder: RunFolder | None) -> None:
        """Resume from the newest complete checkpoint; also raises what `start` raises.

        Args:
            folder: the run's folder, locked; None on a process that does not write.

        Raises:
            CommandError: no checkpoint can be used.
        """
        files = self._files(folder)
        with one_line(CheckpointError, kind=CommandError):
            restored = files.newest(jax.eval_shape(self.initial_state), partial(from_writer, self.parts.mesh))
        if restored is not None and restored.generation > self.config.run.generations:
            raise UsageError(
                f"--generations must be >= {restored.generation}, the generations that are done, "
                f"got {self.config.run.generations}"
            )
        if folder is not None:
            self._note_versions(folder.read_config().get("versions", {}))
            folder.write_generations(self.config.run.generations)
        if restored is None:
            self.console.print("no checkpoint yet: starting from the first generation")
            self._run(files, self.initial_state(), NO_STEPS)
            return
        for reason in restored.skipped:
            self.console.print(f"skipped {reason}", soft_wrap=True, highlight=False, markup=False)
        self.console.print(f"resuming at generation {restored.generation} of {self.config.run.generations}")
        self._run(files, restored.state, restored.extra["steps"], restored.extra.get("untrained", 0))

    def _note_versions(self, before: dict[str, str]) -> None:
        """Say which versions have changed since the run began."""
        now = recorded_versions(*PACKAGES)
        changed = [f"{name} {before.get(name, '?')} → {now[name]}" for name in now if before.get(name) != now[name]]
        if changed:
            self.console.print(
                f"note: versions have changed since the run began: {', '.join(changed)}; its results may differ from "
                "those of a run that was never stopped",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )

    def _files(self, folder: RunFolder | None) -> RunFiles | NoFiles:
        return NoFiles() if folder is None else RunFiles(folder, self.config, self.record, self.console)

    @property
    def start_name(self) -> str:
        """What the closing table calls the rule at the start of the search."""
        return self.parts.start_name

    @property
    def start_params(self) -> PyTree:
        """Meta-parameters at the start of the search."""
        return self._mean(self.initial_state())

    def initial_state(self) -> RunState:
        """Return the state before the first generation."""
        # Generation numbers fold into the same key; 2**31 is beyond the last of them.
        key = jax.random.fold_in(self.key, 2**31)
        start = () if self.parts.start is None else (self.parts.start.meta_params,)
        return self.parts.init(key, *start)

    def _run(self, files: RunFiles | NoFiles, state: RunState, steps: dict[str, int], untrained: int = 0) -> None:
        if self.parts.start is not None:
            files.save_start(self.parts.start)
        # Curves and choices go by validation levels; held-out levels are drawn and read once, at the end.
        validation, patience = self.parts.validation, self._patience
        # Placed on the devices the way the programs take and return it.
        run_key, state = replicated(self.parts.mesh, (self.key, state))
        with stop_requests(self.console) as stop, files.logs(int(state.generation)) as log:
            remaining = range(int(state.generation), self.config.run.generations)
            advance: Any = self.parts.programs(run_key, state) if remaining else None
            for generation in remaining:
                begin = time.perf_counter()
                state, metrics = advance(run_key, state)
                row = {name: np.asarray(value).item() for name, value in metrics.items()}
                seconds = time.perf_counter() - begin
                taken = self._env_steps(row)
                # Fixed order even after resuming (checkpoints sort names), so that equal rows are equal bytes.
                steps = {name: steps[name] + taken[name] for name in taken}
                row |= steps
                last = generation + 1 == self.config.run.generations
                due = (generation + 1) % self.config.run.validation_every == 0
                if last or due:
                    mean = self._agreed_mean(files, generation, state)
                    row["validation_score"] = self._score(mean, validation)
                    # Not that of a last generation in between, so that a run can be continued past it.
                    if due and self.config.run.keep == "best":
                        files.save_best(generation + 1, mean, row["validation_score"], steps)
                log(row, seconds, sum(taken.values()))
                untrained = 0 if row["levels_trained"] else untrained + 1
                stopping = anywhere(self.parts.mesh, bool(stop))
                end = self._why_stop(row, untrained, patience, files)
                if last or end or stopping or (generation + 1) % self.config.run.checkpoint_every == 0:
                    self._save(files, generation, state, steps, untrained)
                if end:
                    raise RunStopped(f"generation {generation}: {end}")
                if stopping:
                    raise RunInterrupted(generation, files.folder.path)
        self._close(files, self._mean(state))

    def _note_no_gain(self, trained: PyTree) -> None:
        """Say if no gain over the rule that the search started at shows on levels that are not held out."""
        if self.parts.start is None and self.parts.base is None:
            return
        gain = self.parts.validation_gain(trained, self.start_params)
        if gain[1] is None or gain[1] <= 0:
            self.console.print(
                f"note: on the validation levels the trained rule scores {bracketed(gain, '+')} relative to the "
                f"{self.start_name}, so this run shows no gain",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )

    def _score(self, mean: PyTree, level_set: LevelSet) -> float:
        """Return the mean score of a rule on a set of levels."""
        returns = self.parts.evaluation.returns(mean, level_set, self.training.hyper)
        returns = counted(self.parts.evaluation, level_set, returns)
        return float(np.mean(level_set.normalised(returns)))

    def _why_stop(self, row: dict[str, Any], untrained: int, patience: int, files: RunFiles | NoFiles) -> str | None:
        """Say why the run cannot go on after a generation; None if it can."""
        if row["failed_candidates"] == self.config.evolution.population:
            return (
                "no candidate had a finite fitness; a smaller --sigma or --agent-learning-rate may help; the state is "
                f"saved in {files.folder.checkpoints_path}"
            )
        if untrained >= patience:
            return (
                f"the rule has learned from no level for {untrained} generations: "
                f"{why_untrained(self.config, row.get('levels_kept'))}; the state is saved in "
                f"{files.folder.checkpoints_path}"
            )
        return None

    def _save(
        self, files: RunFiles | NoFiles, generation: int, state: RunState, steps: dict[str, int], untrained: int
    ) -> None:
        """Save a checkpoint; also raises what `_agreed_mean` raises."""
        mean = self._agreed_mean(files, generation, state)
        files.save(local(state), mean, steps, untrained)

    def _agreed_mean(self, files: RunFiles | NoFiles, generation: int, state: RunState) -> PyTree:
        """Return the rule; raises RunStopped if the processes of the job disagree about it."""
        mean = self._mean(state)
        if differs(self.parts.mesh, mean):
            raise RunStopped(
                f"generation {generation}: the processes of the job hold different rules because their machines "
                f"differ; earlier checkpoints in {files.folder.checkpoints_path} are intact"
            )
        return mean

    @property
    def _patience(self) -> int:
        """Generations in a row without a level that trains after which the run stops."""
        return max(LEAST_PATIENCE, 3 * first_replay(self.config, self.training.num_levels))

    def _mean(self, state: RunState) -> PyTree:
        return self.training.rule(local(state))

    def _env_steps(self, row: dict[str, Any]) -> dict[str, int]:
        """Count the environment steps that a generation's agents and antagonists trained on."""
        per_update = self.config.agents.workers * self.config.agents.rollout_length
        agents, antagonists = row["updates_lived"], row["antagonist_updates"]
        return {"env_steps": agents * per_update, "antagonist_env_steps": antagonists * per_update}

    def _close(self, files: RunFiles | NoFiles, trained: PyTree) -> None:
        kept = None
        if self.config.run.keep == "best":
            kept = self.parts.shared_rule(files.best)
            which = "that of the last generation, since none was scored earlier"
            if kept is not None:
                trained, made = kept.meta_params, kept.provenance
                which = f"that of generation {made['generations']}, validation score {made['validation_score']:.3f}"
            self.console.print(f"the rule that is kept: {which}", soft_wrap=True, highlight=False)
        self.console.print("scoring the rule and its baselines on the held-out levels …")
        rules = {self.start_name: self.start_params, TRAINED: trained}
        scores = self.parts.closing.scores(rules)
        files.close(scores, trained, kept)
        title = f"{self.parts.heldout.num_levels} held-out levels of {self.config.world.levels}"
        self.console.print(render(scores, title))
        if isinstance(self.parts.rule, Residual):
            from groove.report.residual_report import numbers_of

            for table in numbers_of(self.parts.rule, trained):
                self.console.print(table)
        self._note_no_gain(trained)
        self.console.print(f"rule: {files.folder.rule_path}", soft_wrap=True, highlight=False, markup=False)
