"""A group: runs that differ in their seed alone, one after another, and their closing table."""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from jaxtyping import PyTree
from rich.console import Console

from groove.config import TrainConfig
from groove.errors import UsageError, one_line
from groove.job.agreement import from_writer
from groove.records.checkpoints import Checkpoints
from groove.records.group_folder import GroupFolder, check_seeds
from groove.records.json_file import RunFolderError
from groove.records.run_folder import RunFolder
from groove.run.train import Run, RunInterrupted
from groove.scoring.closing_table import TRAINED
from groove.scoring.group_table import group_scores, render

NEW, BEGUN, FINISHED = b"new", b"begun", b"finished"
"""How far a run of a group has come."""


class RunGroup:
    """Runs that differ in their seed alone; they share compiled programs, level sets and baselines.

    Attributes:
        runs: the runs by seed, in the order in which they are trained.
    """

    def __init__(
        self,
        config: TrainConfig,
        seeds: Sequence[int],
        console: Console | None = None,
        start_from: Path | str | None = None,
    ) -> None:
        """Build the runs, before anything is compiled or written.

        Args:
            config: config of all runs; its seed is not read.
            seeds: two or more different seeds.
            console: console to print progress to; the terminal by default.
            start_from: as for `Run`, for all searches alike.

        Raises:
            ValueError: as for `Run`, or the seeds do not make a group.
        """
        check_seeds(seeds)
        self._first = Run(config.replaced(seed=seeds[0]), console, start_from)
        self.runs = {seed: self._first.with_seed(seed) for seed in seeds}

    @property
    def note(self) -> str | None:
        """The note of its runs; see `Run.note`."""
        return self._first.note

    def start(self, folder: GroupFolder | None) -> None:
        """Train all runs from their first generation to their last, and score them together.

        Args:
            folder: the group's folder, locked; None on a process that does not write.

        Raises:
            RunStopped: a run ended early, with a checkpoint.
            RunFolderError, CheckpointError, RuleFileError: something could not be written.
        """
        if folder is not None:
            start = self._first.parts.start
            if start is not None:
                start.save(folder.start_path)
            folder.write_config({"seeds": list(self.runs)} | self._first.record)
        self._train(folder)

    def resume(self, folder: GroupFolder | None) -> None:
        """Resume the run that was stopped and start those that have not begun; finished ones are left alone.

        Also raises what `start` raises.

        Args:
            folder: the group's folder, locked; None on a process that does not write.

        Raises:
            CommandError: a run cannot be resumed.
        """
        if folder is not None:
            wanted = self._first.config.run.generations
            checkpoints = (folder.run(seed).checkpoints_path for seed in self.runs)
            done = max((number for path in checkpoints for number in Checkpoints(path).generations()), default=0)
            if wanted < done:
                raise UsageError(f"--generations must be >= {done}, the generations that are done, got {wanted}")
            folder.write_generations(wanted)
        self._train(folder)

    def _train(self, folder: GroupFolder | None) -> None:
        for number, (seed, run) in enumerate(self.runs.items(), start=1):
            stage = self._stage(run, folder)
            self._print(f"seed {seed} ({number} of {len(self.runs)})" + (": finished" if stage == FINISHED else ""))
            if stage == FINISHED:
                continue
            with self._claimed(seed, folder) as own:
                try:
                    (run.start if stage == NEW else run.resume)(own)
                except RunInterrupted as stopped:
                    where = RunFolder("RUN") if folder is None else folder
                    raise RunInterrupted(stopped.generation, where.path, seed) from stopped
        self._close(folder)

    def _stage(self, run: Run, folder: GroupFolder | None) -> bytes:
        """Return how far a run has come, the same on every process."""
        stage = b""
        if folder is not None:
            own = folder.run(run.config.run.seed)
            stage = NEW
            if own.config_path.is_file():
                with one_line(ValueError, prefix=f"{own.config_path}: "):
                    found = TrainConfig.from_json(own.read_config().get("config"))
                with one_line(RunFolderError):
                    folder.refuse_stranger(own.path, found, run.config)
                is_as_long = found.run.generations == run.config.run.generations
                stage = FINISHED if is_as_long and own.results_path.is_file() else BEGUN
        return from_writer(self._first.parts.mesh, stage)

    def _claimed(self, seed: int, folder: GroupFolder | None) -> AbstractContextManager[RunFolder | None]:
        if folder is None:
            return nullcontext()
        with one_line(RunFolderError):
            return RunFolder.claim(folder.run(seed).path)

    def _close(self, folder: GroupFolder | None) -> None:
        parts = self._first.parts
        trained: list[PyTree] = []
        for seed in self.runs:
            rule = parts.shared_rule(None if folder is None else folder.run(seed).rule_path)
            assert rule is not None
            trained.append(rule.meta_params)
        rules = {self._first.start_name: [run.start_params for run in self.runs.values()], TRAINED: trained}
        scores = group_scores(parts.closing, rules)
        if folder is not None:
            folder.write_results([dataclasses.asdict(score) for score in scores])
            levels = f"{parts.heldout.num_levels} held-out levels of {self._first.config.world.levels}"
            self._first.console.print(render(scores, f"{len(self.runs)} meta-seeds, {levels}"))
            self._print(f"group: {folder.path}")

    def _print(self, text: str) -> None:
        self._first.console.print(text, soft_wrap=True, highlight=False, markup=False)
