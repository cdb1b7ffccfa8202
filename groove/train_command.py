"""`groove train` and `groove resume`."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from groove.cli import CommandError, UsageError, choose, one_line, refuse_unknown_flags
from groove.config import EXPERIMENTS, TrainConfig
from groove.devices import configure
from groove.flags import read_flags
from groove.run_folder import RunFolder, RunFolderError

if TYPE_CHECKING:
    from groove.train import Run


@dataclass(frozen=True)
class TrainFlags:
    """Meta-train a rule; flags change single numbers of the experiment."""

    config: Annotated[TrainConfig, tyro.conf.OmitArgPrefixes]
    run: Path | None = None
    """Folder of the run, new or empty; runs/EXPERIMENT-DATE-TIME by default."""


@dataclass(frozen=True)
class ResumeFlags:
    """Go on with a run that was stopped, from its newest whole checkpoint."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""


def train(arguments: list[str]) -> int:
    """`groove train EXPERIMENT [--flags]`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    if not arguments or arguments[0].startswith("-"):
        experiments = ", ".join(EXPERIMENTS)
        if "--help" in arguments or "-h" in arguments:
            print(f"usage: groove train EXPERIMENT [--flags]\n\nexperiments: {experiments}")
            print("\ngroove train EXPERIMENT --help lists the flags with the experiment's numbers.")
            return 0
        raise UsageError(f"train: name an experiment first; known: {experiments}")
    name, rest = arguments[0], arguments[1:]
    choose("experiment", name, EXPERIMENTS)
    flags = [field.name for field in dataclasses.fields(TrainConfig)] + ["run"]
    # A switch has a negation too: --no-solvable.
    refuse_unknown_flags(rest, ["--" + flag.replace("_", "-") for flag in [*flags, "no_solvable"]])
    chosen = read_flags(TrainFlags, f"groove train {name}", rest, default=TrainFlags(config=EXPERIMENTS[name]))
    path = chosen.run or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    config = chosen.config
    if config.level_folder is not None:
        # A run may be resumed from elsewhere.
        config = dataclasses.replace(config, level_folder=str(Path(config.level_folder).resolve()))
    run = _build(config)
    with one_line(RunFolderError), RunFolder.create(path) as folder:
        folder.write_config(run.record)
        print(f"run: {path}")
        return _finish(partial(run.start, folder))


def resume(arguments: list[str]) -> int:
    """`groove resume RUN`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    refuse_unknown_flags(arguments, [])
    chosen = read_flags(ResumeFlags, "groove resume", arguments)
    with one_line(RunFolderError), RunFolder.open(chosen.run) as folder:
        content = folder.read_config()
        with one_line(ValueError, prefix=f"{folder.config_path}: "):
            config = TrainConfig.from_json(content.get("config"))
        return _finish(partial(_build(config).resume, folder))


def _build(config: TrainConfig) -> "Run":
    configure(config.devices)
    from groove.train import Run

    with one_line(ValueError):
        return Run(config, Console())


def _finish(action: Callable[[], None]) -> int:
    from groove.checkpoints import CheckpointError
    from groove.train import RunInterrupted, RunStopped
    from lpg.rule_file import RuleFileError

    try:
        action()
    except RunStopped as stopped:
        print(f"groove: {stopped}", file=sys.stderr)
        return 130 if isinstance(stopped, RunInterrupted) else 1
    except (RunFolderError, CheckpointError, RuleFileError) as error:
        raise CommandError(f"{error}; earlier checkpoints are intact") from error
    return 0
