"""What a user sees of a run as it goes."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class RunProgress:
    """A progress bar on a terminal, and a line for each validation score everywhere."""

    def __init__(self, console: Console, num_generations: int, first_generation: int) -> None:
        """Prepare the bar, which appears on entering `with`.

        Args:
            console: console that shows the progress.
            num_generations: number of generations of the whole run.
            first_generation: first generation of this process.
        """
        self._console = console
        self._validation: float | None = None
        self._bar = Progress(
            TextColumn("generation"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=num_generations, completed=first_generation, shown="compiling …")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def advance(self, row: dict[str, Any], timing: dict[str, Any]) -> None:
        """Show a completed generation.

        Args:
            row: metrics of the generation.
            timing: timing of the generation, with its `env_steps_per_second`.
        """
        scored = "validation_score" in row
        if scored:
            self._validation = row["validation_score"]
        validation = "" if self._validation is None else f"  validation {self._validation:.3f}"
        shown = f"fitness {row['fitness_mean']:.3f}{validation}  {timing['env_steps_per_second'] / 1e6:.2f}M steps/s"
        self._bar.update(self._task, advance=1, shown=shown)
        if scored:
            self._console.print(f"generation {row['generation'] + 1}: {shown}", highlight=False)
