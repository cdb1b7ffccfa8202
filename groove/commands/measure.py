"""How `groove evaluate` and `groove benchmark` measure rules."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from groove.commands.lives import contestants_of, progress_bar, shaped
from groove.errors import UsageError, choose, one_line
from groove.job.devices import configure, lives_mesh
from groove.records.group_folder import GroupFolder
from groove.records.run_folder import RunFolder
from groove.transfer.suites import SUITES, Suite, suite_key
from levels.plugins import is_plugin

if TYPE_CHECKING:
    from groove.commands.evaluate import EvaluateFlags
    from groove.transfer.contestants import Contestant
    from groove.transfer.environments import Environment
    from groove.transfer.experiment import Experiment
    from groove.transfer.tuned_settings import Tuned


def measure(
    flags: "EvaluateFlags",
    command: str,
    against: tuple[str, ...] = (),
    num_tuned: int = 0,
    tuned: tuple[Path, ...] = (),
) -> int:
    """Measure all rules, and write and print the results.

    Args:
        flags: flags of the command.
        command: name of the command, used in the name of the results' folder.
        against: hand-written rules to compare with.
        num_tuned: configurations in a random search for every rule, 0 for none.
        tuned: files of tuned settings.

    Returns:
        Exit status.

    Raises:
        UsageError: something cannot be compared, measured or written.
    """
    for name in flags.suite:
        if ":" not in name:
            suite_key(name)
    if not flags.suite:
        raise UsageError(f"name a suite; known: {', '.join(SUITES)}")
    configure(flags.devices)
    from groove.transfer.contestants import HAND_WRITTEN
    from groove.transfer.experiment import Experiment, ExperimentError
    from groove.transfer.methods import named_apart
    from groove.transfer.own_environments import named_suites
    from groove.transfer.runner import Runner, Setting
    from groove.transfer.search import with_settings
    from groove.transfer.tuned_settings import Tuned, read_tuned

    console, mesh = Console(), lives_mesh(flags.devices)
    with one_line(ValueError, OSError):
        for name in against:
            if not is_plugin(name):
                choose("rule to compare with", name, HAND_WRITTEN)
        given = [contestants_of(name, HAND_WRITTEN) for name in flags.rules]
        more = [name for name in dict.fromkeys(against) if name not in flags.rules]
        own = named_apart([*given, *(contestants_of(name, HAND_WRITTEN) for name in more)])
        setting = Setting(flags.seeds, flags.points)
        named = named_suites(flags.suite, flags.level_seed)
        if num_tuned and not any(suite.build_validation for suite in named.values()):
            raise UsageError(f"--tune needs a suite with validation environments: {', '.join(SUITES)}")
        suites = {name: shaped(suite.build(name), flags) for name, suite in named.items()}
        folder = flags.out or Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
        settings: Tuned = {}
        for path in tuned:
            settings |= read_tuned(path)
        if num_tuned and (others := {search.configurations for search in settings} - {num_tuned}):
            sizes = " and ".join(map(str, sorted(others)))
            raise UsageError(f"--tuned has settings of {sizes} configurations, but --tune tries {num_tuned}")
        # Refuses what cannot be compared, or written, before a long search.
        tuned_own, left_aside = with_settings(own, settings, suites)
        Experiment(folder, suites, own + tuned_own, setting)
        if GroupFolder.is_group(folder):
            raise UsageError(f"--out {folder} is a group of runs; name another folder")
    # Locked before the search, so that of two commands in one folder the second one does not search in vain.
    with one_line(ValueError, OSError), RunFolder.claim(folder):
        if num_tuned:
            searched = folder / f"tuned-{num_tuned}.json"
            if (folder / "config.json").exists() and not searched.exists():
                raise ExperimentError(f"{folder} holds another experiment, without --tune {num_tuned}")
            settings |= _search(searched, flags, named, suites, own, num_tuned, console)
            tuned_own, left_aside = with_settings(own, settings, suites)
        if left_aside:
            names = ", ".join(f"{search.name} on {search.where}" for search in left_aside)
            console.print(f"note: tuned settings left aside: {names}", soft_wrap=True, highlight=False, markup=False)
        experiment = Experiment(folder, suites, own + tuned_own, setting, Path("runs/baselines"))
        experiment.open()
        print(f"results: {folder}")
        with progress_bar(console, "lives") as advance:
            experiment.run(
                Runner(setting, mesh, flags.chunk),
                lambda at: advance(f"{at.suite}: {at.rule}", at.num_done, at.num_lives),
            )
        _report(experiment, console)
    return 0


def _search(
    path: Path,
    flags: "EvaluateFlags",
    suites: "dict[str, Suite]",
    environments: "dict[str, list[Environment]]",
    own: "list[Contestant]",
    num_configurations: int,
    console: Console,
) -> "Tuned":
    """Tune every rule on the validation environments of every suite that has some, and PPO on each environment, too."""
    from groove.transfer.search import TuningSearch

    with progress_bar(console, "lives") as advance:
        search = TuningSearch(path, lives_mesh(flags.devices), flags.chunk, num_configurations, advance)
        for name, suite in suites.items():
            if suite.build_validation is None:
                continue
            validation = shaped(suite.build_validation(name), flags)
            for contestant in own:
                if contestant.rule is None:
                    continue
                search.on_validation(contestant, validation)
                if contestant.name == "ppo":
                    search.on_itself(contestant, environments[name])
    return search.found


def _report(experiment: "Experiment", console: Console) -> None:
    from groove.transfer.figures import draw_all
    from groove.transfer.summary import tables

    scores = experiment.scores()
    summary = experiment.summarise(scores)
    for table in tables(summary):
        console.print(table)
    draw_all(experiment.folder / "figures", scores, summary)
    for name in ("results.csv", "summary.json", "figures"):
        print(experiment.folder / name)
