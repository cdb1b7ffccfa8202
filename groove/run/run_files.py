"""What a run leaves behind and goes on from: logs, rule, checkpoints, closing table."""

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
from groove.records.checkpoints import Checkpoints, Restored
from groove.records.run_folder import RunFolder
from groove.records.run_logs import RunLogs
from groove.scoring.closing_table import Score
from lpg.saved_rules import save_rule

Log = Callable[[dict[str, Any], float, int], None]
"""Takes a generation's metrics, its seconds and its environment steps."""

Tell = Callable[[bytes], bytes]
"""Takes the bytes that the writing process has, and gives them on every process."""


class RunFiles:
    """The files of a run, on the process that writes them."""

    def __init__(self, folder: RunFolder, config: TrainConfig, record: dict[str, Any], console: Console) -> None:
        """Write nothing yet.

        Args:
            folder: of the run, locked.
            config: of the run.
            record: what a rule's provenance says of the run.
            console: where progress goes.
        """
        self.folder, self._config, self._record, self._console = folder, config, record, console
        self.checkpoints = Checkpoints(folder.checkpoints_path, keep=config.run.keep_checkpoints)

    @contextmanager
    def logs(self, first_generation: int) -> Iterator[Log]:
        """Keep the logs open, cut back to where this process begins.

        Args:
            first_generation: the first to be done.

        Yields:
            What logs a generation; it raises RunFolderError when a log cannot be written.

        Raises:
            RunFolderError: a log cannot be read or written.
        """
        with RunLogs(self.folder, self._console, first_generation, self._config.run.generations) as logs:
            yield logs.append

    def newest(self, example: PyTree, told: Tell) -> Restored | None:
        """The newest checkpoint that is whole, told to all processes.

        Args:
            example: of a state.
            told: hands bytes to the other processes.

        Returns:
            The checkpoint, None where none was ever written.

        Raises:
            CheckpointError: none can be used.
        """
        restored = self.checkpoints.restore(example) if self.checkpoints.generations() else None
        told(b"" if restored is None else self.checkpoints.content(restored.generation))
        return restored

    def save(self, state: RunState, mean: PyTree, steps: dict[str, int]) -> None:
        """Write the rule and a checkpoint.

        Args:
            state: of the run, whole on this process.
            mean: meta-parameters at the centre of its search.
            steps: environment steps taken so far, by kind.

        Raises:
            RuleFileError, CheckpointError: a file cannot be written.
        """
        generation = int(state.generation)
        provenance = self._record | {"generations": generation} | steps
        # The rule first: killed in between, a run that resumes from the last checkpoint would not write it again.
        save_rule(self.folder.rule_path, build_rule(self._config), mean, provenance)
        self.checkpoints.save(generation, state, {"steps": steps})

    def close(self, scores: list[Score]) -> None:
        """Write the closing table.

        Args:
            scores: its rows.

        Raises:
            RunFolderError: it cannot be written.
        """
        self.folder.write_results([dataclasses.asdict(score) for score in scores])


class NoFiles:
    """In place of RunFiles on a process of a job that leaves writing to another."""

    folder = RunFolder("RUN")
    """Stands for the folder in messages; nothing is ever read or written there."""

    @contextmanager
    def logs(self, first_generation: int) -> Iterator[Log]:
        """Log nothing."""
        del first_generation
        yield lambda row, seconds, env_steps: None

    def newest(self, example: PyTree, told: Tell) -> Restored | None:
        """The checkpoint that the writing process has found."""
        content = told(b"")
        if not content:
            return None
        with TemporaryDirectory() as folder:
            received = Checkpoints(Path(folder))
            received.receive(content)
            return received.restore(example)

    def save(self, state: RunState, mean: PyTree, steps: dict[str, int]) -> None:
        """Save nothing."""
        del state, mean, steps

    def close(self, scores: list[Score]) -> None:
        """Write nothing."""
        del scores
