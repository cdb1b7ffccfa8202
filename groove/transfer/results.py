"""results.csv: one row for each point of its life at which a run was evaluated."""

import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One evaluation of one agent.

    Attributes:
        suite: suite of the environment.
        environment: name of the environment.
        lifetime: lifetime as a multiple of the environment's own.
        level: number of the level.
        rule: name of the contestant.
        seed: seed of the agent.
        step: environment steps that the agent had learned from, over all its workers.
        updates: rollouts that it had learned from.
        gradient_steps: gradient steps that it had made.
        value: mean undiscounted return of the first episodes of fresh workers, NaN if the agent's
            parameters were not finite; called `return` in the file.
    """

    suite: str
    environment: str
    lifetime: float
    level: int
    rule: str
    seed: int
    step: int
    updates: int
    gradient_steps: int
    value: float

    @property
    def run(self) -> "RunKey":
        """What identifies the run among all others."""
        return (self.suite, self.environment, self.lifetime, self.level, self.rule, self.seed)


RunKey = tuple[str, str, float, int, str, int]
COLUMNS = tuple("return" if field.name == "value" else field.name for field in fields(Row))
_KINDS = [type(getattr(Row("", "", 0.0, 0, "", 0, 0, 0, 0, 0.0), field.name)) for field in fields(Row)]


class ResultsError(ValueError):
    """One line that names a results file and what is wrong with it."""


def read_results(path: Path) -> list[Row]:
    """Read the rows of a file, skipping a last line that was cut off.

    Args:
        path: path of results.csv, which need not exist.

    Returns:
        Rows in the order of the file.

    Raises:
        ResultsError: the file is not a results.csv.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(lines))
    header = next(reader, None)
    if header is None:
        return []
    if tuple(header) != COLUMNS:
        raise ResultsError(f"{path}: columns must be {','.join(COLUMNS)}")
    try:
        return [Row(*(kind(cell) for kind, cell in zip(_KINDS, cells, strict=True))) for cells in reader]
    except ValueError as error:
        raise ResultsError(f"{path}: line {reader.line_num}: {error}") from error


def append_results(path: Path, rows: Iterable[Row]) -> None:
    """Append rows and flush them to disk, dropping a last line that was cut off.

    Args:
        path: path of results.csv, created if it does not exist.
        rows: rows to write.
    """
    with path.open("a+b") as file:
        whole = file.seek(0, os.SEEK_END)
        file.seek(max(whole - 1, 0))
        if whole and file.read(1) != b"\n":
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if whole == 0:
            writer.writerow(COLUMNS)
        writer.writerows(_cells(row) for row in rows)
        file.seek(0, os.SEEK_END)
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())


def _cells(row: Row) -> tuple[object, ...]:
    *others, value = astuple(row)
    return (*others, "nan" if math.isnan(value) else f"{value:.9g}")
