"""`groove evaluate`, `groove benchmark` and `groove tune`."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.console import Console

from groove.commands.flags import read_flags, refuse_unknown_flags
from groove.config import flag_of
from groove.errors import UsageError, choose, one_line
from groove.job.devices import configure, lives_mesh
from groove.records.run_folder import RunFolder
from groove.transfer.suites import SUITES
from lpg.shipped_rules import SHIPPED, rule_path

if TYPE_CHECKING:
    from groove.transfer.contestants import Contestant
    from groove.transfer.environments import Environment
    from groove.transfer.experiment import Experiment
    from groove.transfer.runner import Setting
    from groove.transfer.tuning import Tuned

BASELINE_NAMES = ("random", "a2c", "ppo", "dpo", "reinforce")


@dataclass(frozen=True)
class Lives:
    """What every agent's life is like, whatever its rule."""

    workers: int | None = None
    """Environments each agent acts in side by side; those of the first rule's meta-training by default, else 64."""
    rollout_length: int | None = None
    """Steps between two updates; those of the first rule's meta-training by default, else 20."""
    chunk: int = 128
    """Lives between two writes of results, on a GPU rounded up to what fills it; changes no result."""
    devices: int | None = None
    """Local devices to use; all by default, on CPU one per core."""


@dataclass(frozen=True)
class EvaluateFlags(Lives):
    """Measure what rules are worth in environments they never saw, as they are (zero-shot)."""

    rules: tyro.conf.Positional[tuple[str, ...]] = ()
    """Shipped rules such as laptop, rule files, or a2c, ppo, dpo, reinforce; several files are compared, and taken
    together as meta-seeds."""
    seeds: int = 8
    """Agents of each rule in each environment; in grid-heldout a quarter of them on each of 128 levels."""
    points: int = 5
    """Points of a life at which its agent is evaluated, the end among them."""
    suite: tuple[str, ...] = ("grid-heldout",)
    """Suites, or environments of libraries such as gymnax:Pong-misc, gymnasium:CartPole-v1, brax:ant."""
    environments: Path | None = None
    """Python file of your own that assigns ENVIRONMENTS, a dict of environments by name; one more suite."""
    out: Path | None = None
    """Folder of the results; the same command goes on where it was stopped. runs/COMMAND-DATE-TIME by default."""


@dataclass(frozen=True)
class BenchmarkFlags(EvaluateFlags):
    """Measure rules against hand-written ones, with the same networks, workers and environment steps."""

    against: tuple[str, ...] = ("ppo", "a2c")
    """Hand-written rules: random, a2c, ppo, dpo, reinforce."""
    tune: int = 0
    """Configurations in a random search for every rule alike, on validation environments; PPO also gets one on each
    environment itself, as a ceiling. 0: all as they are."""
    tuned: tuple[Path, ...] = ()
    """Files of `groove tune`, to compare tuned rules without a search."""


@dataclass(frozen=True)
class TuneFlags(Lives):
    """Random search over step sizes and costs on a suite's validation environments: three agents in each, or one on
    each level where it has many."""

    rule: tyro.conf.Positional[str] = ""
    """A shipped rule such as laptop, a rule file, or a2c, ppo, dpo, reinforce."""
    suite: tuple[str, ...] = ("grid-heldout",)
    """Suites whose validation environments to tune on."""
    configurations: int = 16
    """Configurations tried, the default among them."""
    out: Path | None = None
    """File of the results, runs/tuned/RULE-CONFIGURATIONS.json by default; what it holds already is not repeated."""


def evaluate(arguments: list[str]) -> int:
    """`groove evaluate RULE … --suite …`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    flags = _read(EvaluateFlags, "evaluate", arguments, "rules")
    return _measure(flags, "evaluate")


def benchmark(arguments: list[str]) -> int:
    """`groove benchmark RULE … --against … --suite …`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    flags = _read(BenchmarkFlags, "benchmark", arguments, "rules")
    for name in flags.against:
        choose("rule to compare with", name, BASELINE_NAMES)
    if flags.tune < 0:
        raise UsageError(f"--tune must be >= 0, got {flags.tune}")

    return _measure(flags, "benchmark", flags.against, flags.tune, flags.tuned)


def tune(arguments: list[str]) -> int:
    """`groove tune RULE --suite …`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    flags = _read(TuneFlags, "tune", arguments, "rule")
    for suite in flags.suite:
        choose("suite", suite, SUITES)
    if flags.configurations < 1:
        raise UsageError(f"--configurations must be >= 1, got {flags.configurations}")
    configure(flags.devices)
    from groove.transfer.search import Search

    with one_line(ValueError, OSError):
        contestant = _contestant(flags.rule, BASELINE_NAMES[1:])
        path = flags.out or Path("runs/tuned") / f"{contestant.name}-{flags.configurations}.json"
        setting = _setting(flags, [contestant], num_seeds=1, num_points=1)
        with _bar(Console(), "lives") as advance:
            search = Search(path, setting, lives_mesh(flags.devices), flags.chunk, flags.configurations, advance)
            for suite in flags.suite:
                search.on_validation(contestant, suite)
    for key, hyper in search.found[contestant.name].items():
        values = {field.name: f"{float(getattr(hyper, field.name)):.3g}" for field in dataclasses.fields(hyper)}
        print(f"{contestant.name} on {key}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    print(path)
    return 0


def _read(kind: Any, command: str, arguments: list[str], positional: str) -> Any:
    names = [field.name for field in dataclasses.fields(kind) if field.name != positional]
    refuse_unknown_flags(arguments, list(map(flag_of, names)))
    flags = read_flags(kind, f"groove {command}", arguments)
    if not getattr(flags, positional):
        shipped = ", ".join(SHIPPED)
        raise UsageError(f"{command}: name a rule first: a shipped one ({shipped}), a rule file or a hand-written one")
    for name in ("seeds", "workers", "rollout_length", "points", "chunk", "devices"):
        value = getattr(flags, name, None)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be >= 1, got {value}")
    return flags


def _measure(
    flags: EvaluateFlags, command: str, against: tuple[str, ...] = (), num_tuned: int = 0, tuned: tuple[Path, ...] = ()
) -> int:
    for suite in flags.suite:
        if ":" not in suite:
            choose("suite", suite, SUITES)
    if num_tuned and not set(flags.suite) & set(SUITES):
        raise UsageError(f"--tune needs a suite with validation environments: {', '.join(SUITES)}")
    configure(flags.devices)
    from groove.transfer.contestants import hand_written, named_apart
    from groove.transfer.experiment import Experiment, ExperimentError
    from groove.transfer.runner import Runner
    from groove.transfer.search import with_settings
    from groove.transfer.tuning import Tuned, read_tuned

    console, mesh = Console(), lives_mesh(flags.devices)
    with one_line(ValueError, OSError):
        given = [_contestant(name, BASELINE_NAMES) for name in flags.rules]
        more = [name for name in dict.fromkeys(against) if name not in flags.rules]
        own = named_apart([*given, *map(hand_written, more)])
        setting = _setting(flags, own, flags.seeds, flags.points)
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
        with _bar(console, "lives") as advance:
            experiment.run(
                Runner(setting, mesh, flags.chunk),
                lambda at: advance(f"{at.suite}: {at.rule}", at.num_done, at.num_lives),
            )
        _report(experiment, console)
    return 0


def _contestant(name: str, known: tuple[str, ...]) -> "Contestant":
    """A rule file, or a hand-written rule by its name."""
    from groove.transfer.contestants import hand_written, learned

    if name in known:
        return hand_written(name)
    try:
        rule_path(name)
    except ValueError as error:
        raise UsageError(f"{error}; hand-written rules: {', '.join(known)}") from error
    return learned(name)


def _search(
    path: Path,
    flags: EvaluateFlags,
    setting: "Setting",
    suites: "dict[str, list[Environment]]",
    own: "list[Contestant]",
    num_configurations: int,
    console: Console,
) -> "Tuned":
    """Every rule tuned on validation environments of every suite that has some; PPO on each environment, too."""
    from groove.transfer.search import Search

    with _bar(console, "lives") as advance:
        search = Search(path, setting, lives_mesh(flags.devices), flags.chunk, num_configurations, advance)
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


@contextmanager
def _bar(console: Console, unit: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal; elsewhere a line whenever what is worked on changes."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(unit), MofNCompleteColumn(), BarColumn(bar_width=20))
    bar = Bar(
        *columns,
        TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task, last = bar.add_task("compiling …", total=None), ""

    def advance(text: str, done: int, total: int) -> None:
        nonlocal last
        bar.update(task, description=text, completed=done, total=total)
        if text != last and not console.is_terminal:
            console.print(f"{done}/{total} {unit}: {text}", highlight=False)
        last = text

    with bar:
        yield advance


def _suites(flags: EvaluateFlags) -> "dict[str, list[Environment]]":
    from groove.transfer.own_environments import suite_of_file, suite_of_name

    suites = {name: suite_of_name(name) if ":" in name else SUITES[name].build(name) for name in flags.suite}
    if flags.environments is not None:
        if flags.environments.stem in SUITES:
            raise UsageError(f"{flags.environments}: its name is that of a suite; name the file otherwise")
        suites[flags.environments.stem] = suite_of_file(flags.environments)
    if not suites:
        raise UsageError(f"name a suite or --environments FILE; known suites: {', '.join(SUITES)}")
    return suites


def _setting(flags: Lives, contestants: "list[Contestant]", num_seeds: int, num_points: int) -> "Setting":
    from groove.transfer.runner import Setting

    config = next((contestant.config for contestant in contestants if contestant.config is not None), None)
    workers, length = (64, 20) if config is None else (config.agents.workers, config.agents.rollout_length)
    return Setting(num_seeds, flags.workers or workers, flags.rollout_length or length, num_points)
