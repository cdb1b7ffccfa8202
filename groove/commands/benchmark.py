"""`groove benchmark`."""

from dataclasses import dataclass
from pathlib import Path

from groove.commands.evaluate import EvaluateFlags
from groove.commands.lives import read_lives
from groove.commands.measure import measure
from groove.errors import UsageError


@dataclass(frozen=True)
class BenchmarkFlags(EvaluateFlags):
    """Measure rules against hand-written ones, with the same networks, workers and environment steps."""

    against: tuple[str, ...] = ("ppo", "a2c")
    """Hand-written rules to compare with: random, a2c, ppo, dpo, reinforce."""
    tune: int = 0
    """Number of configurations in a random search for every rule, on validation environments; PPO also gets a search on
    each environment itself, as a ceiling. 0: no search."""
    tuned: tuple[Path, ...] = ()
    """Files of `groove tune`, to compare tuned rules without a search."""


def benchmark(arguments: list[str]) -> int:
    """Run `groove benchmark RULE … --against … --suite …`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_lives(BenchmarkFlags, "benchmark", arguments, "rules")
    if flags.tune < 0:
        raise UsageError(f"--tune must be >= 0, got {flags.tune}")
    return measure(flags, "benchmark", flags.against, flags.tune, flags.tuned)
