"""`groove evaluate`, `groove benchmark` and `groove tune`."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.console import Console

from groove.cli import UsageError, choose, one_line, refuse_unknown_flags
from groove.devices import configure
from groove.flags import read_flags
from groove.run_folder import RunFolder
from groove.transfer.suites import SUITES

if TYPE_CHECKING:
    from groove.transfer.contestants import Contestant
    from groove.transfer.environments import Environment
    from groove.transfer.experiment import Experiment
    from groove.transfer.runner import Runner, Setting
    from groove.transfer.tuning import Tuned

BASELINE_NAMES = ("random", "a2c", "ppo", "dpo", "reinforce")


@dataclass(frozen=True)
class Lives:
    """What every agent's life is like, whatever its rule."""

    seeds: int = 8
    """Agents of each rule in each environment; in grid-heldout a quarter of them on each of 128 levels."""
    workers: int | None = None
    """Environments each agent acts in side by side; those of the first rule's meta-training by default, else 64."""
    rollout_length: int | None = None
    """Steps between two updates; those of the first rule's meta-training by default, else 20."""
    points: int = 5
    """Points of a life at which its agent is evaluated, the end among them."""
    chunk: int = 128
    """Lives between two writes of results, on a GPU rounded up to what fills it; changes no result."""
    devices: int | None = None
    """Local devices to use; all by default, on CPU one per core."""


@dataclass(frozen=True)
class EvaluateFlags(Lives):
    """Measure what rules are worth in environments they never saw, as they are (zero-shot)."""

    rules: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Rule files; several are compared, and taken together as meta-seeds."""
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
    """Random search over step sizes and costs on a suite's validation environments, three seeds each."""

    rule: tyro.conf.Positional[str] = ""
    """Rule file, or a2c, ppo, dpo, reinforce."""
    suite: tuple[str, ...] = ("grid-heldout",)
    """Suites whose validation environments to tune on."""
    configurations: int = 16
    """Configurations tried, the default among them."""
    out: Path | None = None
    """File of the results; runs/tuned/RULE.json by default."""


def evaluate(arguments: list[str]) -> int:
    """`groove evaluate RULE … --suite …`.

    Args:
        arguments: after the command.

    Returns:
        Exit status.
    """
    flags = _read(EvaluateFlags, "evaluate", arguments, "rules")
    return _measure(flags, "evaluate", (), lambda *_: [])


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

    def tuned(
        folder: Path, suites: "dict[str, list[Environment]]", own: "list[Contestant]", bench: "_Bench"
    ) -> "list[Contestant]":
        from groove.transfer.tuning import read_tuned, write_tuned

        settings: Tuned = {}
        for path in flags.tuned:
            _add(settings, read_tuned(path))
        # Refuses what cannot be compared before a long search.
        _with_settings(own, settings)
        if flags.tune:
            searched = folder / f"tuned-{flags.tune}.json"
            if not searched.exists():
                write_tuned(searched, _search(bench, suites, own, flags.tune))
            _add(settings, read_tuned(searched))
        return _with_settings(own, settings)

    return _measure(flags, "benchmark", flags.against, tuned)


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
    from groove.transfer.contestants import hand_written, learned
    from groove.transfer.tuning import write_tuned

    known = BASELINE_NAMES[1:]
    if flags.rule not in known and not Path(flags.rule).exists():
        raise UsageError(f"no rule file {flags.rule!r}; hand-written rules: {', '.join(known)}")
    with one_line(ValueError, OSError):
        contestant = hand_written(flags.rule) if flags.rule in known else learned(Path(flags.rule))
        bench = _Bench(flags, _setting(flags, [contestant]))
        found = {contestant.name: {suite: bench.best(contestant, suite, flags.configurations) for suite in flags.suite}}
        path = flags.out or Path("runs/tuned") / f"{contestant.name}.json"
        write_tuned(path, found)
    for suite, hyper in found[contestant.name].items():
        values = {field.name: f"{float(getattr(hyper, field.name)):.3g}" for field in dataclasses.fields(hyper)}
        print(f"{contestant.name} on {suite}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    print(path)
    return 0


def _read(kind: Any, command: str, arguments: list[str], positional: str) -> Any:
    names = [field.name for field in dataclasses.fields(kind) if field.name != positional]
    refuse_unknown_flags(arguments, ["--" + name.replace("_", "-") for name in names])
    flags = read_flags(kind, f"groove {command}", arguments)
    if not getattr(flags, positional):
        raise UsageError(f"{command}: name a rule file first, such as runs/published/laptop/rule.safetensors")
    for name in ("seeds", "workers", "rollout_length", "points", "chunk", "devices"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be >= 1, got {value}")
    return flags


def _measure(
    flags: EvaluateFlags,
    command: str,
    against: tuple[str, ...],
    tuned: "Callable[[Path, dict[str, list[Environment]], list[Contestant], _Bench], list[Contestant]]",
) -> int:
    for suite in flags.suite:
        if ":" not in suite:
            choose("suite", suite, SUITES)
    configure(flags.devices)
    from groove.transfer.contestants import hand_written, learned, named_apart
    from groove.transfer.experiment import Experiment

    console = Console()
    with one_line(ValueError, OSError):
        own = named_apart([*(learned(path) for path in flags.rules), *map(hand_written, dict.fromkeys(against))])
        bench = _Bench(flags, _setting(flags, own))
        suites = _suites(flags)
        folder = flags.out or Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
        contestants = own + tuned(folder, suites, own, bench)
        experiment = Experiment(folder, suites, contestants, bench.setting, Path("runs/baselines"))
        experiment.open()
    print(f"results: {folder}")
    with one_line(ValueError, OSError), RunFolder.open(folder):
        _run(experiment, bench.runner(bench.setting), console)
        _report(experiment, console)
    return 0


def _run(experiment: "Experiment", runner: "Runner", console: Console) -> None:
    with _bar(console, "lives") as advance:
        experiment.run(runner, lambda at: advance(f"{at.suite}: {at.rule}", at.num_done, at.num_lives))


def _report(experiment: "Experiment", console: Console) -> None:
    from groove.transfer.figures import draw_all
    from groove.transfer.summary import tables

    summary = experiment.summarise()
    for table in tables(summary):
        console.print(table)
    draw_all(experiment.folder / "figures", experiment.scores(), summary)
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


def _setting(flags: Lives, contestants: "list[Contestant]") -> "Setting":
    from groove.transfer.runner import Setting

    config = next((contestant.config for contestant in contestants if contestant.config is not None), None)
    workers, length = (64, 20) if config is None else (config.workers, config.rollout_length)
    return Setting(flags.seeds, flags.workers or workers, flags.rollout_length or length, flags.points)


class _Bench:
    """Makes runners on the devices that the flags name, and searches with them."""

    def __init__(self, flags: Lives, setting: "Setting") -> None:
        from groove.devices import lives_mesh

        self.setting = setting
        self._mesh = lives_mesh(flags.devices)
        self._chunk = flags.chunk

    def runner(self, setting: "Setting") -> "Runner":
        from groove.transfer.runner import Runner

        return Runner(setting, self._mesh, self._chunk)

    def best(
        self, contestant: "Contestant", suite: str, num_configurations: int, on: "list[Environment] | None" = None
    ) -> Any:
        """Tuned settings of a rule, on the suite's validation environments by default."""
        from groove.transfer.tuning import tune, tuning_setting

        environments = SUITES[suite].build_validation(suite) if on is None else on
        setting = tuning_setting(self.setting)
        total = num_configurations * sum(len(environment.lives(setting.num_seeds)) for environment in environments)
        with _bar(Console(), "lives") as advance:
            done = 0

            def tell(num_lives: int) -> None:
                nonlocal done
                done += num_lives
                advance(f"tuning {contestant.name} on {suite}", done, total)

            return tune(self.runner(setting), setting, contestant, environments, num_configurations, tell)


def _search(
    bench: _Bench, suites: "dict[str, list[Environment]]", own: "list[Contestant]", num_configurations: int
) -> "Tuned":
    """Every rule tuned on validation environments of every suite that has some; PPO on each environment, too."""
    found: Tuned = {}
    for suite, environments in suites.items():
        for contestant in own:
            if contestant.rule is None or suite not in SUITES:
                continue
            found.setdefault(contestant.name, {})[suite] = bench.best(contestant, suite, num_configurations)
            if contestant.name == "ppo":
                for environment in environments:
                    key = f"{suite}/{environment.name}"
                    if environment.lifetime == 1:
                        found.setdefault(CEILING, {})[key] = bench.best(
                            contestant, suite, num_configurations, [environment]
                        )
    return found


CEILING = "ppo, tuned here"
"""PPO with settings found in the very environment that it is measured in."""


def _add(settings: "Tuned", more: "Tuned") -> None:
    for name, where in more.items():
        settings.setdefault(name, {}).update(where)


def _with_settings(own: "list[Contestant]", settings: "Tuned") -> "list[Contestant]":
    by_name = {contestant.name: contestant for contestant in own}
    tuned = []
    for name, where in settings.items():
        if name == CEILING and "ppo" in by_name:
            tuned.append(replace(by_name["ppo"], name=CEILING, tuned=where))
        elif name not in by_name:
            raise UsageError(f"tuned settings are of {name!r}, which is not compared; compared: {', '.join(by_name)}")
        else:
            tuned.append(replace(by_name[name], name=f"{name} (tuned)", tuned=where))
    return tuned
