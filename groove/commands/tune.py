"""`groove tune`."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from groove.commands.lives import LivesFlags, contestants_of, progress_bar, read_lives, shaped
from groove.errors import UsageError, one_line
from groove.job.devices import configure, lives_mesh
from groove.transfer.suites import suite_key

NUM_SHOWN = 5
"""Configurations of each search that are printed."""


@dataclass(frozen=True)
class TuneFlags(LivesFlags):
    """Random search over learning rates, costs, decays, workers and steps, and where the rule has them discount, λ,
    clip and epochs, on a suite's validation environments: three agents in each, or one on each level where it has many.
    The number of environment steps stays the suite's."""

    rule: tyro.conf.Positional[str] = ""
    """A shipped rule such as laptop, a rule file, the folder of a run or of a group (each of its rules is tuned), or
    a2c, ppo, dpo, reinforce."""
    suite: tuple[str, ...] = ("grid-heldout",)
    """Suites whose validation environments to tune on, or FILE.py:NAME of a Suite of your own."""
    configurations: int = 16
    """Configurations tried, including the default."""
    out: Path | None = None
    """File of the results, runs/tuned/RULE-CONFIGURATIONS.json by default; several commands may add to one file, and
    searches that it already holds for the very rule, suite and number of configurations are not repeated."""


def tune(arguments: list[str]) -> int:
    """Run `groove tune RULE --suite …`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_lives(TuneFlags, "tune", arguments, "rule")
    for name in flags.suite:
        if ":" not in name:
            suite_key(name)
    if flags.configurations < 1:
        raise UsageError(f"--configurations must be >= 1, got {flags.configurations}")
    configure(flags.devices)
    from groove.transfer.own_environments import named_suites
    from groove.transfer.search import TuningSearch
    from lpg.baselines import BASELINES

    with one_line(ValueError, OSError):
        contestants = contestants_of(flags.rule, tuple(BASELINES))
        path = flags.out or Path("runs/tuned") / f"{contestants[0].method}-{flags.configurations}.json"
        with progress_bar(Console(), "lives") as advance:
            search = TuningSearch(path, lives_mesh(flags.devices), flags.chunk, flags.configurations, advance)
            for name, suite in named_suites(flags.suite, flags.level_seed).items():
                if suite.build_validation is None:
                    raise UsageError(f"{name} has no validation environments to tune on")
                validation = shaped(suite.build_validation(name), flags)
                for contestant in contestants:
                    search.on_validation(contestant, validation)
    for one, best in search.found.items():
        print(f"{one.name} on {one.where}: {best}")
        for worth, configuration in search.rankings.get(one, [])[1:NUM_SHOWN]:
            print(f"  behind by {search.rankings[one][0][0] - worth:.3f}: {configuration}")
    print(path)
    return 0
