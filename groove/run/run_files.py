"""What a run writes and resumes from: logs, rule, checkpoints, closing table."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jaxtyping import PyTree
from rich.console import Console

from groove.building import build_rule
from groove.config import TrainConfig
from groove.discovery.meta_training import RunState
from groove.records.buffer_history import BufferHistory
from groove.records.checkpoints import Checkpoints, Restored
from groove.records.locked_folder import RunFolderError
from groove.records.run_folder import RunFolder
from groove.records.run_logs import RunLogs
from groove.run.shared_rules import SharedRule
from groove.scoring.closing_table import ClosingScore
from lpg.rule_file import RuleFileError, read_rule_header
from lpg.rules.residual import Residual
from lpg.saved_rules import save_rule

Log = Callable[[dict[str, Any], float, int], None]
"""Logs a generation, given its metrics, its seconds and its environment steps."""

Tell = Callable[[bytes], bytes]
"""Takes the writing process's bytes (ignored on the others) and returns them on every process."""


class RunFiles:
    """The files of a run, on the process that writes them."""

    def __init__(self, folder: RunFolder, config: TrainConfig, record: dict[str, Any], console: Console) -> None:
        """Write nothing yet.

        Args:
            folder: the run's folder, locked.
            config: the run's config.
            record: what a rule's provenance says about the run.
            console: console to print progress to.
        """
        self.folder, self._config, self._record, self._console = folder, config, record, console
        self.checkpoints = Checkpoints(folder.checkpoints_path, keep=config.run.keep_checkpoints)

    @contextmanager
    def logs(self, first_generation: int) -> Iterator[Log]:
        """Keep the logs open, cut back to where this process begins.

        Args:
            first_generation: first generation that this process runs.

        Yields:
            Function that logs a generation; it raises RunFolderError if a log cannot be written.

        Raises:
            RunFolderError: a log cannot be read or written.
        """
        with RunLogs(self.folder, self._console, first_generation, self._config.run.generations) as logs:
            yield logs.append

    def newest(self, example: PyTree, send: Tell) -> Restored | None:
        """Restore the newest complete checkpoint and send it to all processes.

        Args:
            example: state with the same structure, shapes and dtypes.
            send: sends bytes to the other processes.

        Returns:
            The checkpoint, None if none was ever written.

        Raises:
            CheckpointError: there are checkpoints, but none can be used.
        """
        restored = self.checkpoints.restore(example) if self.checkpoints.generations() else None
        send(b"" if restored is None else self.checkpoints.content(restored.generation))
        return restored

    def save_start(self, rule: SharedRule) -> None:
        """Write the rule that the search starts from, unless it is there.

        Args:
            rule: the rule.

        Raises:
            RuleFileError: the file could not be written.
        """
        if not self.folder.start_path.exists():
            rule.save(self.folder.start_path)

    def save(self, state: RunState, mean: PyTree, steps: dict[str, int], untrained: int) -> None:
        """Write the rule, a checkpoint and a snapshot of the buffer.

        Args:
            state: state of the run, whole on this process.
            mean: meta-parameters at the centre of the run's search.
            steps: environment steps taken so far, by kind.
            untrained: number of last generations in which no level trained the rule.

        Raises:
            RuleFileError, CheckpointError: a file could not be written.
        """
        generation = int(state.generation)
        provenance = self._record | {"generations": generation} | steps
        # The rule first: a run killed between the two and resumed from its last checkpoint would never write it.
        save_rule(self.folder.rule_path, build_rule(self._config), mean, provenance)
        self.checkpoints.save(generation, state, {"steps": steps, "untrained": untrained})
        # A run that is stopped in between adds none, so that the history does not depend on stops.
        if generation % self._config.run.checkpoint_every == 0 or generation == self._config.run.generations:
            BufferHistory(self.folder.history_path).save(generation, state.curriculum)

    def save_best(self, generation: int, mean: PyTree, score: float, steps: dict[str, int]) -> None:
        """Write a rule if no rule of an earlier generation has scored as high on the validation levels.

        A run that goes on from a checkpoint before that rule's generation scores the same rules once more.

        Args:
            generation: generations run.
            mean: meta-parameters at the centre of the run's search.
            score: the rule's score.
            steps: environment steps taken so far, by kind.

        Raises:
            RuleFileError: the file could not be read or written.
        """
        path = self.folder.best_path
        if not path.exists() or score > self._best_score():
            provenance = self._record | {"generations": generation} | steps | {"validation_score": score}
            save_rule(path, build_rule(self._config), mean, provenance)

    @property
    def best(self) -> Path | None:
        """The rule with the highest score so far; None if no rule has been scored; raises as `save_best`."""
        if not self.folder.best_path.exists():
            return None
        self._best_score()
        return self.folder.best_path

    def _best_score(self) -> float:
        path = self.folder.best_path
        score = read_rule_header(path).provenance.get("validation_score")
        if type(score) is not float:
            raise RuleFileError(f"{path}: validation_score must be a number, got {score!r}")
        return score

    def close(self, scores: list[ClosingScore], mean: PyTree, kept: SharedRule | None) -> None:
        """Write the rule that is kept, the closing table, and the picture of a residual rule.

        Args:
            scores: rows of the table.
            mean: meta-parameters of the rule that was found.
            kept: that rule, if it is not that of the last generation.

        Raises:
            RuleFileError, RunFolderError: the rule, the table or the picture cannot be written.
        """
        if kept is not None:
            kept.save(self.folder.rule_path)
        rule = build_rule(self._config)
        if isinstance(rule, Residual):
            from groove.report.residual_report import draw_residual

            try:
                draw_residual(self.folder.picture_path, rule, mean)
            except OSError as error:
                raise RunFolderError(f"{self.folder.picture_path}: cannot be written: {error}") from error
        # Last, since a run with results counts as finished.
        self.folder.write_results([dataclasses.asdict(score) for score in scores])


class NoFiles:
    """Stands in for RunFiles on a process that leaves writing to another process of its job."""

    folder = RunFolder("RUN")
    """Stands for the folder in messages; nothing is ever read or written there."""

    @contextmanager
    def logs(self, first_generation: int) -> Iterator[Log]:
        """Log nothing."""
        del first_generation
        yield lambda row, seconds, env_steps: None

    def newest(self, example: PyTree, send: Tell) -> Restored | None:
        """Restore the checkpoint that the writing process found."""
        content = send(b"")
        if not content:
            return None
        with TemporaryDirectory() as folder:
            received = Checkpoints(Path(folder))
            received.receive(content)
            return received.restore(example)

    def save_start(self, rule: SharedRule) -> None:
        """Write nothing."""
        del rule

    def save(self, state: RunState, mean: PyTree, steps: dict[str, int], untrained: int) -> None:
        """Save nothing."""
        del state, mean, steps, untrained

    def save_best(self, generation: int, mean: PyTree, score: float, steps: dict[str, int]) -> None:
        """Write nothing."""
        del generation, mean, score, steps

    best: Path | None = None
    """The writing process reads it."""

    def close(self, scores: list[ClosingScore], mean: PyTree, kept: SharedRule | None) -> None:
        """Write nothing."""
        del scores, mean, kept
