"""What `groove train` and `groove resume` share: the locked folder, agreement within a job, and the end."""

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from groove.config import TrainConfig, flag_of
from groove.errors import CommandError, UsageError, one_line
from groove.job.devices import configure
from groove.job.distributed import Job
from groove.records.json_file import RunFolderError
from groove.records.locked_folder import LockedFolder

if TYPE_CHECKING:
    from groove.run.group import RunGroup
    from groove.run.train import Run


@contextmanager
def locked(place: Job, take: Callable[[], LockedFolder]) -> Iterator[Any]:
    """Lock the folder of a run or of a group while the command uses it.

    Args:
        place: this process in its job.
        take: makes or opens the folder.

    Yields:
        The folder; None where another process of the job writes.

    Raises:
        UsageError: it cannot be made, opened or locked.
    """
    if not place.writes:
        yield None
        return
    with one_line(RunFolderError), take() as folder:
        yield folder


def agreed(place: Job, command: str, flags: dict[str, Any], content: Any = None) -> Any:
    """Return what the writing process found, after checking that all processes of a job got the same command and flags.

    Processes that run different lives would wait for each other forever.

    Args:
        place: this process in its job.
        command: name of the command.
        flags: values by name, which must be equal in all processes.
        content: content of the folder's config, as JSON; only the first process's is used.

    Returns:
        The first process's content.

    Raises:
        UsageError: a process got another command or other flags.
    """
    mine = {"process": place.process_id, "command": command, "flags": flags, "content": content}
    answers = [json.loads(text) for text in place.tell(json.dumps(mine))]
    first = answers[0]
    for other in (*answers, mine):
        if other["command"] != first["command"]:
            raise UsageError(
                f"the command must be the same in all processes of a job, got groove {other['command']} in process "
                f"{other['process']} and groove {first['command']} in process 0"
            )
        for name in sorted(other["flags"].keys() | first["flags"].keys()):
            values = [one["flags"].get(name) for one in (other, first)]
            if values[0] != values[1]:
                raise UsageError(
                    f"{flag_of(name)} must be the same in all processes of a job, got {values[0]} in process "
                    f"{other['process']} and {values[1]} in process 0"
                )
    return first["content"]


def build_run(
    config: TrainConfig,
    place: Job,
    start_from: Path | str | None,
    seeds: Sequence[int] = (),
    given: Collection[str] = (),
) -> "Run | RunGroup":
    """Build a run, or a group of runs, on the devices that its config asks for, and print its note.

    Args:
        config: config of the run or of the group.
        place: this process in its job.
        start_from: rule to start the search at, or None; read on the writing process, which sends it to the others.
        seeds: seeds of the runs of a group; empty for a single run.
        given: names of the fields that the user has set; those that the curriculum does not read are refused.

    Returns:
        The run or the group.

    Raises:
        UsageError: it cannot be built.
    """
    configure(config.run.devices or (1 if place.num_processes > 1 else None))
    from groove.discovery.ignored_fields import refuse_ignored
    from groove.run.group import RunGroup
    from groove.run.train import Run

    console = Console(quiet=not place.writes)
    start_from = start_from if place.writes else None
    with one_line(ValueError):
        refuse_ignored(config, given)
        run = RunGroup(config, seeds, console, start_from) if seeds else Run(config, console, start_from)
    if run.note:
        console.print(f"note: {run.note}", soft_wrap=True, highlight=False, markup=False)
    return run


def finish(action: Callable[[], None], place: Job) -> int:
    """Run to the end and report what stops it.

    Args:
        action: starts or resumes the run.
        place: this process in its job.

    Returns:
        Exit status.

    Raises:
        CommandError: a file could not be written.
    """
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
