"""How `groove evaluate` and `groove benchmark` measure rules."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from groove.commands.lives import contestant_of, progress_bar, setting_of
from groove.errors import UsageError, choose, one_line
from groove.job.devices import configure, lives_mesh
from groove.records.run_folder import RunFolder
from groove.transfer.suites import SUITES

if TYPE_CHECKING:
    from groove.commands.evaluate import EvaluateFlags
    from groove.transfer.contestants import Contestant
    from groove.transfer.environments import Environment
    from groove.transfer.experiment import Experiment
    from groove.transfer.runner import Setting
    from groove.transfer.tuning import Tuned


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
        command: its name, for the folder of the results.
        against: hand-written rules to compare with.
        num_tuned: configurations in a random search for every rule, 0 for none.
        tuned: files of tuned settings.

    Returns:
        Exit status.

    Raises:
        UsageError: something cannot be compared, measured or written.
    """
    for suite in flags.suite:
        if ":" not in suite:
            choose("suite", suite, SUITES)
    if num_tuned and not set(flags.suite) & set(SUITES):
        raise UsageError(f"--tune needs a suite with validation environments: {', '.join(SUITES)}")
    configure(flags.devices)
    from groove.transfer.contestants import HAND_WRITTEN, hand_written, named_apart
    from groove.transfer.experiment import Experiment, ExperimentError
    from groove.transfer.runner import Runner
    from groove.transfer.search import with_settings
    from groove.transfer.tuning import Tuned, read_tuned

    console, mesh = Console(), lives_mesh(flags.devices)
    with one_line(ValueError, OSError):
        for name in against:
            choose("rule to compare with", name, HAND_WRITTEN)
        given = [contestant_of(name, HAND_WRITTEN) for name in flags.rules]
        more = [name for name in dict.fromkeys(against) if name not in flags.rules]
        own = named_apart([*given, *map(hand_written, more)])
        setting = setting_of(flags, own, flags.seeds, flags.points)
        suites = _suites(flags)
        folder = flags.out or Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
        settings: Tuned = {}
        for path in tuned:
            _add(settings, read_tuned(path, setting))
        # Refuses what cannot be compared, or written, before a long search.
        Experiment(folder, suites, own + with_settings(own, settings), setting)
        folder.mkdir(parents=True, exist_ok=True)
        if num_tuned:
            searched = folder / f"tuned-{num_tuned}.json"
            if (folder / "config.json").exists() and not searched.exists():
                raise ExperimentError(f"{folder} holds another experiment, without --tune {num_tuned}")
            _add(settings, _search(searched, flags, setting, suites, own, num_tuned, console))
        contestants = own + with_settings(own, settings)
        experiment = Experiment(folder, suites, contestants, setting, Path("runs/baselines"))
        experiment.open()
    print(f"results: {folder}")
    with one_line(ValueError, OSError), RunFolder.open(folder):
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
    setting: "Setting",
    suites: "dict[str, list[Environment]]",
    own: "list[Contestant]",
    num_configurations: int,
    console: Console,
) -> "Tuned":
    """Every rule tuned on validation environments of every suite that has some; PPO on each environment, too."""
    from groove.transfer.search import TuningSearch

    with progress_bar(console, "lives") as advance:
        search = TuningSearch(path, setting, lives_mesh(flags.devices), flags.chunk, num_configurations, advance)
        for suite, environments in suites.items():
            for contestant in own:
                if contestant.rule is None or suite not in SUITES:
                    continue
                search.on_validation(contestant, suite)
                if contestant.name == "ppo":
                    search.on_itself(contestant, environments)
    return search.found


def _add(settings: "Tuned", more: "Tuned") -> None:
    for name, where in more.items():
        settings.setdefault(name, {}).update(where)


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


def _suites(flags: "EvaluateFlags") -> "dict[str, list[Environment]]":
    from groove.transfer.own_environments import suite_of_file, suite_of_name

    suites = {name: suite_of_name(name) if ":" in name else SUITES[name].build(name) for name in flags.suite}
    if flags.environments is not None:
        if flags.environments.stem in SUITES:
            raise UsageError(f"{flags.environments}: its name is that of a suite; name the file otherwise")
        suites[flags.environments.stem] = suite_of_file(flags.environments)
    if not suites:
        raise UsageError(f"name a suite or --environments FILE; known suites: {', '.join(SUITES)}")
    return suites
