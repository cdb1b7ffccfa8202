"""`groove curriculum`: the levels that a run's curriculum keeps, as tables, pictures and level files."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from groove.commands.flags import read_flags
from groove.config import TrainConfig
from groove.errors import UsageError, one_line
from groove.job.devices import configure_host
from groove.plugin_fields import found_plugins
from groove.records.json_file import RunFolderError
from groove.records.run_folder import RunFolder

if TYPE_CHECKING:
    from groove.report.curriculum_snapshot import Snapshot

WIDEST = 160


@dataclass(frozen=True)
class CurriculumFlags:
    """Show the levels that a run's curriculum keeps: tables here, pictures in RUN/curriculum."""

    run: tyro.conf.Positional[Path]
    """Folder of the run, which may still be in progress."""
    rows: int = 5
    """Number of levels shown from the top, the median and the bottom."""
    out: Path | None = None
    """Folder of the pictures, in place of RUN/curriculum."""
    why: int | None = None
    """Number of a level: print why it was or would be drawn, in place of tables and pictures."""
    export: Path | None = None
    """Folder to write the levels with the best scores to, in place of tables and pictures; it must hold no level files
    yet. groove train EXPERIMENT --curriculum fixed --level-folder FOLDER trains on them."""
    top: int | None = None
    """Number of levels to export; all that have a score by default."""


def curriculum(arguments: list[str]) -> int:
    """Run `groove curriculum RUN`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_flags(CurriculumFlags, "groove curriculum", arguments)
    _check(flags)
    folder = RunFolder(flags.run)
    config = _config(folder)
    configure_host()
    from groove.report.curriculum_snapshot import read_snapshot

    with one_line(ValueError):
        snapshot = read_snapshot(folder, config)
    for reason in snapshot.skipped:
        print(f"groove: skipped {reason}", file=sys.stderr)
    if flags.why is not None:
        from groove.report.curriculum_report import why

        with one_line(ValueError):
            print(why(snapshot, flags.why))
        return 0
    if flags.export is not None:
        _export(snapshot, flags.export, flags.top)
        return 0
    _show(snapshot, folder, flags)
    return 0


def _check(flags: CurriculumFlags) -> None:
    if flags.rows < 1:
        raise UsageError(f"--rows must be >= 1, got {flags.rows}")
    if flags.top is not None and flags.export is None:
        raise UsageError("--top goes with --export")
    if flags.why is not None and flags.export is not None:
        raise UsageError("--why and --export do not go together")


def _config(folder: RunFolder) -> TrainConfig:
    with one_line(RunFolderError):
        content = folder.check().read_config()
    with one_line(ValueError, prefix=f"{folder.config_path}: "):
        config = TrainConfig.from_json(content.get("config"))
    with one_line(ValueError):
        return found_plugins(config, content.get("plugins", {}), folder.config_path)


def _show(snapshot: "Snapshot", folder: RunFolder, flags: CurriculumFlags) -> None:
    from groove.records.json_lines import JsonLines
    from groove.report.curriculum_figures import compared_rows
    from groove.report.curriculum_report import groups, noise_note, summary, table

    with one_line(RunFolderError):
        metrics = JsonLines(folder.metrics_path, numbered="generation").rows()
    shown = [row for rows in groups(len(snapshot), flags.rows).values() for row in rows]
    snapshot = snapshot.solved([*shown, *compared_rows(snapshot)])
    # Wider than the table can be, because rich cuts numbers short rather than let a line run on.
    console = Console(width=max(Console().width, WIDEST))
    console.print(summary(snapshot), soft_wrap=True, highlight=False, markup=False)
    if len(snapshot):
        console.print(table(snapshot, flags.rows), highlight=False)
        note = noise_note(snapshot, shown)
        if note is not None:
            console.print(note, soft_wrap=True, highlight=False, markup=False)
    out = flags.out or folder.curriculum_path
    for name, draw in _pictures(snapshot, metrics, flags.rows).items():
        _draw(out / name, draw)


def _pictures(snapshot: "Snapshot", metrics: list[dict], num_rows: int) -> dict[str, Callable[[Path], None]]:
    from groove.report.curriculum_figures import draw_gallery, draw_regret_vs_exact, draw_sampling
    from groove.report.history_figure import draw_history
    from groove.report.metrics_figures import draw_drift, draw_regret_over_time

    return {
        "gallery.png": partial(draw_gallery, snapshot=snapshot, num_rows=num_rows),
        "regret_over_time.png": partial(draw_regret_over_time, rows=metrics, score_name=snapshot.score_name),
        "regret_vs_exact.png": partial(draw_regret_vs_exact, snapshot=snapshot),
        "drift.png": partial(draw_drift, rows=metrics, config=snapshot.config),
        "history.png": partial(draw_history, snapshot=snapshot),
        "sampling.png": partial(draw_sampling, snapshot=snapshot),
    }


def _draw(path: Path, draw: Callable[[Path], None]) -> None:
    from groove.figure_style import NothingToDraw

    with one_line(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draw(path)
        except NothingToDraw as reason:
            print(f"{path.name} left out: {reason}")
            return
    print(path)


def _export(snapshot: "Snapshot", folder: Path, top: int | None) -> None:
    import numpy as np

    from levels.level import Level
    from levels.level_file import save_level

    if not isinstance(snapshot.kept.levels, Level):
        raise UsageError(f"the levels of {snapshot.config.world.levels} are not grids, and only grids have level files")
    # The best come first, those without a score last.
    num_scored = int(np.isfinite(snapshot.kept.score).sum())
    if not num_scored:
        raise UsageError("no level with a score is kept yet")
    if top is not None and not 1 <= top <= num_scored:
        raise UsageError(f"--top must be in 1..{num_scored}, the levels with a score, got {top}")
    if any(folder.glob("*.toml")):
        raise UsageError(f"{folder}: already holds level files; name another folder")
    with one_line(ValueError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for row in range(top or num_scored):
            identity = int(snapshot.kept.identity[row])
            save_level(folder / f"{row + 1:04d}-level-{identity}.toml", snapshot.level(row))
    print(f"{folder}: {top or num_scored} levels, the best by {snapshot.score_name}")
