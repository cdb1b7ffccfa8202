"""`groove evaluate`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from groove.commands.lives import LivesFlags, read_lives
from groove.commands.measure import measure


@dataclass(frozen=True)
class EvaluateFlags(LivesFlags):
    """Measure rules zero-shot: as they are, in environments they never saw."""

    rules: tyro.conf.Positional[tuple[str, ...]] = ()
    """Shipped rules such as laptop, rule files, folders of runs, a2c, ppo, dpo, reinforce, or FILE.py:NAME of your own;
    the folder of a group (groove train --seeds) is one rule, taken over its meta-seeds."""
    seeds: int = 8
    """Agents of each rule in each environment; in grid-heldout a quarter of them on each of 128 levels."""
    points: int = 5
    """Points of a life at which its agent is evaluated, including the end."""
    suite: tuple[str, ...] = ("grid-heldout",)
    """Suites; environments of libraries such as gymnax:Pong-misc, gymnasium:CartPole-v1, brax:ant; or FILE.py:NAME, a
    Suite or a dict of environments of your own."""
    out: Path | None = None
    """Folder of the results; the same command continues where it was stopped. runs/COMMAND-DATE-TIME by default."""


def evaluate(arguments: list[str]) -> int:
    """Run `groove evaluate RULE … --suite …`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_lives(EvaluateFlags, "evaluate", arguments, "rules")
    return measure(flags, "evaluate")
