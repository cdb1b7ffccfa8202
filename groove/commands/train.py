"""`groove train` and `groove resume`."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from groove.commands.flags import read_flags, refuse_unknown_flags
from groove.config import EXPERIMENTS, GROUP_OF, TrainConfig, flag_of
from groove.errors import CommandError, UsageError, choose, one_line
from groove.job.devices import configure
from groove.job.distributed import Job, JobFlags, job
from groove.records.run_folder import RunFolder, RunFolderError

if TYPE_CHECKING:
    from groove.run.train import Run

JOB_FLAGS = ("distributed", "no_distributed", "coordinator", "processes", "process_id")


@dataclass(frozen=True)
class TrainFlags:
    """Meta-train a rule; flags change single numbers of the experiment."""

    config: Annotated[TrainConfig, tyro.conf.OmitArgPrefixes]
    run: Path | None = None
    """Folder of the run, new or empty; runs/EXPERIMENT-DATE-TIME by default."""
    job: Annotated[JobFlags, tyro.conf.OmitArgPrefixes] = JobFlags()


@dataclass(frozen=True)
class ResumeFlags:
    """Go on with a run that was stopped, from its newest whole checkpoint."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    devices: int | None = None
    """Devices to go on with, of each process in a job; those that the run was started with by default."""
    job: Annotated[JobFlags, tyro.conf.OmitArgPrefixes] = JobFlags()


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
    flags = [*GROUP_OF, "run"]
    # A switch has a negation too: --no-solvable.
    refuse_unknown_flags(rest, [flag_of(flag) for flag in [*flags, "no_solvable", *JOB_FLAGS]])
    chosen = read_flags(TrainFlags, f"groove train {name}", rest, default=TrainFlags(config=EXPERIMENTS[name]))
    path = chosen.run or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    config = chosen.config
    if config.curriculum.level_folder is not None:
        # A run may be resumed from elsewhere.
        config = config.replaced(level_folder=str(Path(config.curriculum.level_folder).resolve()))
    with job(chosen.job, chosen.run) as place:
        _agreed(place, "train", config.to_json())
        run = _build(config, place)
        with _folder(place, partial(RunFolder.create, path)) as folder:
            return _finish(partial(run.start, folder), place)


def resume(arguments: list[str]) -> int:
    """`groove resume RUN`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    refuse_unknown_flags(arguments, [flag_of(flag) for flag in ("devices", *JOB_FLAGS)])
    chosen = read_flags(ResumeFlags, "groove resume", arguments)
    with job(chosen.job, chosen.run) as place, _folder(place, partial(RunFolder.open, chosen.run)) as folder:
        written = folder.read_config().get("config") if folder is not None else None
        told = _agreed(place, "resume", {"devices": chosen.devices}, written)
        with one_line(ValueError, prefix=f"{RunFolder(chosen.run).config_path}: "):
            config = TrainConfig.from_json(told)
        if chosen.devices is not None:
            with one_line(ValueError):
                config = config.replaced(devices=chosen.devices)
        return _finish(partial(_build(config, place).resume, folder), place)


@contextmanager
def _folder(place: Job, take: Callable[[], RunFolder]) -> Iterator[RunFolder | None]:
    """The run's folder, locked; None where another process of the job writes."""
    if not place.writes:
        yield None
        return
    with one_line(RunFolderError), take() as folder:
        yield folder


def _agreed(place: Job, command: str, flags: dict[str, Any], config: Any = None) -> Any:
    """The config that the writing process has; processes that live other lives would wait for each other for ever."""
    mine = {"process": place.process_id, "command": command, "flags": flags, "config": config}
    told = [json.loads(text) for text in place.tell(json.dumps(mine))]
    first = told[0]
    for other in (*told, mine):
        if other["command"] != first["command"]:
            theirs = f"groove {other['command']} in process {other['process']} of a job"
            raise UsageError(f"{theirs}, groove {first['command']} in process 0")
        for name in sorted(other["flags"].keys() | first["flags"].keys()):
            values = [one["flags"].get(name) for one in (other, first)]
            if values[0] != values[1]:
                raise UsageError(
                    f"{flag_of(name)} must be the same in all processes of a job, got {values[0]} in process "
                    f"{other['process']} and {values[1]} in process 0"
                )
    return first["config"]


def _build(config: TrainConfig, place: Job) -> "Run":
    configure(config.run.devices or (1 if place.num_processes > 1 else None))
    from groove.run.train import Run

    with one_line(ValueError):
        return Run(config, Console(quiet=not place.writes))


def _finish(action: Callable[[], None], place: Job) -> int:
    from groove.records.checkpoints import CheckpointError
    from groove.run.train import RunInterrupted, RunStopped
    from lpg.rule_file import RuleFileError

    try:
        action()
    except RunStopped as stopped:
        if place.writes:
            print(f"groove: {stopped}", file=sys.stderr)
        return 130 if isinstance(stopped, RunInterrupted) else 1
    except (RunFolderError, CheckpointError, RuleFileError) as error:
        raise CommandError(f"{error}; earlier checkpoints are intact") from error
    return 0
