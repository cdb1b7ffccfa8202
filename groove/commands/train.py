"""`groove train`."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from groove.commands.flags import read_flags
from groove.commands.running import agreed, build_run, finish, locked
from groove.config import EXPERIMENTS, FIELDS, TrainConfig, flag_of
from groove.errors import UsageError, choose, one_line
from groove.job.distributed import JobFlags, job
from groove.plugin_fields import plugin_files, with_absolute_paths
from groove.records.group_folder import GroupFolder, check_seeds
from groove.records.json_file import RunFolderError
from groove.records.run_folder import RunFolder


@dataclass(frozen=True)
class TrainFlags:
    """Meta-train a rule; flags change single numbers of the experiment."""

    config: Annotated[TrainConfig, tyro.conf.OmitArgPrefixes]
    run: Path | None = None
    """Folder of the run, new or empty; runs/EXPERIMENT-DATE-TIME by default."""
    seeds: tuple[int, ...] = ()
    """Seeds of a group, in place of --seed: a run for each in the folder, one after another, and a table of all."""
    start_from: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Rule file or shipped rule to start the search at, of the same shape; a freshly initialised rule by default."""
    job: Annotated[JobFlags, tyro.conf.OmitArgPrefixes] = JobFlags()


def train(arguments: list[str]) -> int:
    """Run `groove train EXPERIMENT [--flags]`.

    Args:
        arguments: the arguments that follow the name of the command.

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
    chosen = read_flags(TrainFlags, f"groove train {name}", rest, default=TrainFlags(config=EXPERIMENTS[name]))
    given = {argument.split("=")[0].replace("_", "-") for argument in rest}
    if "--seeds" in given:
        if "--seed" in given:
            raise UsageError("--seed and --seeds do not go together: one trains a single run, the other a group")
        with one_line(ValueError):
            check_seeds(chosen.seeds)
    path = chosen.run or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    create = partial(GroupFolder.create if chosen.seeds else RunFolder.create, path)
    with one_line(ValueError):
        config = with_absolute_paths(chosen.config)
        files = plugin_files(config)
    with job(chosen.job, chosen.run) as place:
        flags = {"from": chosen.start_from, "seeds": list(chosen.seeds), "plugin_files": files}
        agreed(place, "train", config.to_json() | flags)
        if place.writes and path.exists():
            with one_line(RunFolderError):
                create().close()  # refuses a folder that is taken, before anything is built
        fields = [name for name in FIELDS if flag_of(name) in given]
        run = build_run(config, place, chosen.start_from, chosen.seeds, fields)
        with locked(place, create) as folder:
            return finish(partial(run.start, folder), place)
