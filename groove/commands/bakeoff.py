"""`groove bakeoff`: compare all scores of levels, for one rule and on one pool of levels."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from groove.commands.flags import read_flags
from groove.errors import UsageError, one_line
from groove.job.devices import configure
from groove.records.json_values import to_json

if TYPE_CHECKING:
    from groove.scoring.bakeoff import Verdict
    from ued.scores import Need


@dataclass(frozen=True)
class BakeoffFlags:
    """Compare all scores on one pool of levels: correlation with exact regret, noise, gain from replay, cost."""

    rule: tyro.conf.Positional[str]
    """Shipped rule or rule file; its agents have the workers, steps and learning rates of its meta-training."""
    levels: str = "all"
    """Level distribution of the pool; it needs an exact solver."""
    num_levels: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 256
    """Number of levels in the pool."""
    antagonist_seeds: int = 4
    """Largest number of antagonists on a level; algorithmic regret is compared with 1, 2, 4 … up to this number."""
    seed: int = 0
    """Seed of the pool and of all lives."""
    out: Path | None = None
    """File to write the figures to, as JSON."""


def bakeoff(arguments: list[str]) -> int:
    """Run `groove bakeoff RULE [--flags]`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_flags(BakeoffFlags, "groove bakeoff", arguments)
    if not 0 <= flags.seed < 2**32:
        raise UsageError(f"--seed must be in 0..{2**32 - 1}, got {flags.seed}")
    verdicts = _verdicts(flags)
    if flags.out is not None:
        content = {
            "rule": str(flags.rule),
            "levels": flags.levels,
            "num_levels": flags.num_levels,
            "seed": flags.seed,
            "verdicts": to_json([dataclasses.asdict(verdict) for verdict in verdicts]),
        }
        with one_line(OSError):
            flags.out.parent.mkdir(parents=True, exist_ok=True)
            flags.out.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    Console().print(table(verdicts, f"{flags.num_levels} levels of {flags.levels}, {flags.rule}"))
    if flags.out is not None:
        print(flags.out)
    return 0


def _verdicts(flags: BakeoffFlags) -> "list[Verdict]":
    configure(None)
    from groove.building import (
        build_generator,
        build_hyperparameters,
        build_learner,
        build_measurement,
        build_population,
    )
    from groove.job.devices import lives_mesh
    from groove.rules import read_discovered_rule
    from groove.scoring.bakeoff import Bakeoff
    from lpg.update_rule import passes_of
    from lpg.value_losses import ValueProbe

    with one_line(ValueError):
        rule, meta_params, discovery = read_discovered_rule(flags.rule)
        config = discovery.replaced(
            levels=flags.levels,
            antagonist="a2c",
            antagonist_seeds=flags.antagonist_seeds,
            antagonist_max_seeds=flags.antagonist_seeds,
            lifetime=None,
        )
        generator, mesh = build_generator(config), lives_mesh(None)
        learner = build_learner(config, generator.world, rule)
        needs: frozenset[Need] = frozenset({"antagonist", "random"})
        contest = Bakeoff(
            generator=generator,
            population=build_population(config, mesh, learner, ValueProbe(config.curriculum.value_steps)),
            hyper=build_hyperparameters(config, generator.world, math.prod(passes_of(rule))),
            measurement=build_measurement(config, mesh, generator.world, needs),
        )
        return contest.run(meta_params, flags.num_levels, flags.seed)


def table(verdicts: "list[Verdict]", title: str) -> Table:
    """Return the figures as a table for a terminal.

    Args:
        verdicts: verdicts, one for each row.
        title: title above the table.

    Returns:
        A rich table.
    """
    shown = Table(title=title, title_justify="left")
    shown.add_column("score", no_wrap=True)
    for column in ("ρ exact regret", "ρ retest", "regret gained", "seconds"):
        shown.add_column(column, justify="right")
    for row in verdicts:
        shown.add_row(
            row.score,
            f"{row.regret_correlation:.3f} ± {row.regret_correlation_error:.3f}",
            f"{row.retest_correlation:.3f} ± {row.retest_correlation_error:.3f}",
            f"{row.regret_gain:+.3f} ± {row.regret_gain_error:.3f}",
            f"{row.seconds:.2f}",
        )
    shown.caption = (
        "ρ: Spearman's correlation over levels ± its standard error, with the exact regret of other agents of the rule "
        "and with the score itself measured again. regret gained: exact regret of replayed levels minus the pool's. "
        "seconds: what measuring the score on the pool adds to the rule's own lives."
    )
    shown.caption_justify = "left"
    return shown
