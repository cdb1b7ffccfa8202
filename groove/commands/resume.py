"""`groove resume`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from groove.commands.flags import read_flags
from groove.commands.running import agreed, build_run, finish, locked
from groove.config import TrainConfig
from groove.errors import one_line
from groove.job.distributed import JobFlags, job
from groove.plugin_fields import found_plugins
from groove.records.group_folder import GroupFolder
from groove.records.run_folder import RunFolder


@dataclass(frozen=True)
class ResumeFlags:
    """Continue a run or a group that was stopped, or past its end, from its newest whole checkpoints."""

    run: tyro.conf.Positional[Path]
    """Folder of the run, or of the group: finished runs are skipped, those not begun are started."""
    generations: int | None = None
    """Generations in all, to continue past the end of the run; as many as it was started with by default."""
    devices: int | None = None
    """Devices of each process to continue on; as many as the run was started with by default."""
    job: Annotated[JobFlags, tyro.conf.OmitArgPrefixes] = JobFlags()


def resume(arguments: list[str]) -> int:
    """Run `groove resume RUN [--flags]`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    chosen = read_flags(ResumeFlags, "groove resume", arguments)
    kind = GroupFolder if GroupFolder.is_group(chosen.run) else RunFolder
    with job(chosen.job, chosen.run) as place, locked(place, partial(kind.open, chosen.run)) as folder:
        written = {} if folder is None else folder.read_config()
        changes = {"devices": chosen.devices, "generations": chosen.generations}
        record = agreed(place, "resume", changes, written)
        path = kind(chosen.run).config_path
        with one_line(ValueError, prefix=f"{path}: "):
            config = TrainConfig.from_json(record.get("config"))
        with one_line(ValueError):
            config = config.replaced(**{name: value for name, value in changes.items() if value is not None})
            config = found_plugins(config, record.get("plugins", {}), path)
        start = kind(chosen.run).start_path if "start_sha256" in written else None
        run = build_run(config, place, start, record.get("seeds", ()))
        return finish(partial(run.resume, folder), place)
