"""Everything a run logs about a generation: metrics, timing, TensorBoard events, progress."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console

from groove.records.json_lines import JsonLines
from groove.records.progress import RunProgress
from groove.records.run_folder import RunFolder
from groove.records.tensorboard_log import TensorBoardLog


class RunLogs:
    """The logs of one process of a run, truncated to its first generation.

    Wall-clock values go to the timing log, so that the metrics of a resumed run equal those of a run
    that never stopped.
    """

    def __init__(self, folder: RunFolder, console: Console, first_generation: int, num_generations: int) -> None:
        """Open the logs, dropping what an earlier process wrote from the first generation on.

        Args:
            folder: the run's folder, locked.
            console: console that shows the progress.
            first_generation: first generation of this process.
            num_generations: number of generations of the whole run.

        Raises:
            RunFolderError: a log cannot be read or written.
        """
        self._metrics = JsonLines(folder.metrics_path, numbered="generation")
        self._timing = JsonLines(folder.timing_path, numbered="generation")
        for log in (self._metrics, self._timing):
            log.keep(lambda row: row["generation"] < first_generation)
        self._events = TensorBoardLog(folder.events_path, first_generation)
        self._progress = RunProgress(console, num_generations, first_generation)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.__exit__(kind, error, at)
        self._events.close()

    def append(self, row: dict[str, Any], seconds: float, env_steps: int) -> None:
        """Log a generation.

        Args:
            row: metrics of the generation, without wall-clock values.
            seconds: wall-clock seconds that the generation took.
            env_steps: environment steps taken in it.

        Raises:
            RunFolderError: a log cannot be written.
        """
        timing = {"generation": row["generation"], "seconds": seconds, "env_steps_per_second": env_steps / seconds}
        self._metrics.append(row)
        self._timing.append(timing)
        self._events.append(row | timing)
        self._progress.advance(row, timing)
