"""What the parts of a residual rule are worth, and what needs no discovery: `python -m benchmarks.ablations`.

Each arm is the experiment `residual` with one feature or output fewer, discovered with several meta-seeds. Beside them
stand the base with its defaults, with the best of a few hand-made schedules of its entropy cost, with the best of a few
schedules of entropy cost and advantages together, and with the settings that a random search finds, learning rates and
their decay among them. The last three are chosen on validation levels; every arm is scored on levels that no run has
read. If called again, it continues where it stopped.
"""

import argparse
import itertools
import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from benchmarks.tables import Rows
from groove.config import EXPERIMENTS, TrainConfig, flag_of
from groove.job.devices import configure
from groove.scoring.intervals import ENDS, bracketed, number, of_aggregate, of_mean
from groove.scoring.random_search import DECAYS, TUNING_SEEDS, best_of
from groove.scoring.statistics import iqm
from groove.scoring.units import Units
from groove.transfer.worst_tasks import on_worst_tasks
from lpg.settings import ResidualSettings

if TYPE_CHECKING:
    from groove.run.run_parts import RunParts
    from groove.scoring.heldout import LevelSet

BASES = ("a2c", "ppo")
NUM_LEVELS, LIFE_SEEDS = 128, 4
ENTROPY_COSTS = (0.01, 0.05, 0.2, 0.8)
"""Entropy costs c of the hand-made schedules c·(1 − n/N)^p, with the exponents p in `DECAYS`."""

LATE_ADVANTAGES, EARLY_ENTROPIES = (0.0, 0.4, 0.8), (0.0, 0.5, 1.0)
"""Hand-set weights a and e: factors exp(a·(2n/N − 1)) on advantages and exp(−3·e·(2n/N − 1)) on the entropy cost."""

CONFIGURATIONS = 16
FULL, DEFAULT, TUNED = "all features and outputs", "base", "base, tuned"
SCHEDULED, WEIGHTED = "base, entropy scheduled by hand", "base, both scheduled by hand"


def arms() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the config fields in which each arm differs from the experiment."""
    whole = EXPERIMENTS["residual"].residual

    def without(names: tuple[str, ...], left_out: str) -> tuple[str, ...]:
        return tuple(name for name in names if name != left_out)

    features = {f"without the feature {x}": {"features": without(whole.features, x)} for x in whole.features}
    return (
        {FULL: {}}
        | features
        | {f"without the output {x}": {"outputs": without(whole.outputs, x)} for x in whole.outputs}
    )


def path_of(folder: Path, arm: str) -> Path:
    """Return the folder of the runs of an arm."""
    return folder / arm.replace(" ", "-").replace("*", "-by-")


def discover(path: Path, base: str, fields: dict[str, tuple[str, ...]], seeds: Sequence[int]) -> None:
    """Train the rules of an arm, resuming unfinished runs and skipping finished ones.

    Args:
        path: folder of the runs.
        base: base of the rules.
        fields: config fields of the arm.
        seeds: meta-seeds.
    """
    begun = (path / "group.json").is_file()
    if begun:
        made = json.loads((path / "group.json").read_text())
        asked = {name: list(values) for name, values in fields.items()} | {"base": base}
        if made["seeds"] != list(seeds) or any(made["config"].get(name) != value for name, value in asked.items()):
            raise SystemExit(f"{path}: not runs of this comparison; choose another --runs")
    if (path / "results.json").is_file():
        return
    if begun:
        command = ["resume", str(path)]
    else:
        command = ["train", "residual", "--base", base, "--run", str(path), "--tune-configurations", "1"]
        for name, values in ({"seeds": [str(seed) for seed in seeds]} | fields).items():
            command += [flag_of(name), *values]
    subprocess.run([sys.executable, "-m", "groove", *command], check=True)


def config_of(base: str, fields: dict[str, tuple[str, ...]]) -> TrainConfig:
    """Return the config of an arm's runs."""
    return EXPERIMENTS["residual"].replaced(base=base, **fields)


def discovered(
    folder: Path, base: str, seeds: Sequence[int], level_set: "LevelSet"
) -> dict[str, Float[np.ndarray, "M S n"]]:
    """Score the rules of every arm.

    Args:
        folder: folder of all runs.
        base: base of the rules.
        seeds: meta-seeds of the runs.
        level_set: levels that no run has read.

    Returns:
        [M, S, n] normalised scores by arm.
    """
    from groove.run.run_parts import RunParts
    from groove.scoring.closing_table import returns_of
    from lpg.saved_rules import load_rule

    found = {}
    for arm, fields in arms().items():
        parts = RunParts(config_of(base, fields))
        rules = (load_rule(path_of(folder, arm) / f"seed-{seed}" / "rule.safetensors")[1] for seed in seeds)
        lived = [returns_of(parts.evaluation, rule, level_set, parts.training.hyper, LIFE_SEEDS) for rule in rules]
        found[arm] = level_set.normalised(np.concatenate([own.returns for own in lived]))
    return found


def by_hand(settings: ResidualSettings, late: float, early: float) -> dict[str, Float[np.ndarray, "F O"]]:
    """Return meta-parameters that read the agent's age alone.

    Args:
        settings: settings of a linear rule with the feature progress and the outputs advantage and entropy.
        late: a, one of `LATE_ADVANTAGES`.
        early: e, one of `EARLY_ENTROPIES`.

    Returns:
        The meta-parameters.
    """
    weights = np.zeros((len(settings.features), len(settings.step_outputs)), np.float32)
    for output, weight in (("advantage", late), ("entropy", -early)):
        weights[settings.features.index("progress"), settings.step_outputs.index(output)] = weight
    return {"weights": weights}


def undiscovered(
    parts: "RunParts", base: str, level_set: "LevelSet"
) -> tuple[dict[str, Float[np.ndarray, "1 S n"]], dict[str, dict[str, float]]]:
    """Score the base by itself.

    Args:
        parts: parts of any run.
        base: the base.
        level_set: levels that no run has read.

    Returns:
        [1, S, n] normalised scores by arm; and the hyperparameters of each, or its weights a and e.
    """
    from groove.scoring.closing_table import best_on, returns_of, tuned_on

    own = parts.closing.hand_written[base.upper()]
    schedules = [
        replace(own.default, entropy_cost=np.float32(cost), entropy_decay=np.float32(decay))
        for cost in ENTROPY_COSTS
        for decay in DECAYS
    ]

    settings = config_of(base, {}).residual

    def weighted(weights: tuple[float, float], levels: "LevelSet", num_seeds: int) -> Float[np.ndarray, "1 S n"]:
        rule = by_hand(settings, *weights)
        return levels.normalised(returns_of(parts.evaluation, rule, levels, parts.training.hyper, num_seeds).returns)

    pairs = list(itertools.product(LATE_ADVANTAGES, EARLY_ENTROPIES))
    best = best_of(pairs, np.array([np.mean(weighted(pair, parts.validation, TUNING_SEEDS)) for pair in pairs]))
    chosen = {
        DEFAULT: own.default,
        SCHEDULED: best_on(own.evaluation, parts.validation, schedules),
        TUNED: tuned_on(own.evaluation, parts.validation, own.default, CONFIGURATIONS),
    }
    scores = {
        arm: level_set.normalised(returns_of(own.evaluation, (), level_set, hyper, LIFE_SEEDS).returns)
        for arm, hyper in chosen.items()
    }
    found = {arm: {name: float(x) for name, x in vars(hyper).items()} for arm, hyper in chosen.items()}
    return (
        scores | {WEIGHTED: weighted(best, level_set, LIFE_SEEDS)},
        found | {WEIGHTED: dict(zip(("late_advantage", "early_entropy"), best, strict=True))},
    )


def summarise(scores: dict[str, Float[np.ndarray, "M S n"]]) -> list[dict[str, Any]]:
    """Return a row per arm: mean, IQM, worst tenth, and the mean minus that of the base and of the full rule."""
    units = Units.separate(drawn=True, num_tasks=scores[FULL].shape[2])

    def minus(arm: str, other: str) -> dict[str, float | None]:
        return dict(zip(ENDS, of_mean(scores[arm] - scores[other], units), strict=True))

    return [
        {
            "arm": arm,
            "meta_seeds": len(own),
            "levels": own.shape[2],
            "mean": number(np.mean(own)),
            "iqm": dict(zip(ENDS, of_aggregate(own, iqm, units), strict=True)),
            "worst_tenth": number(float(on_worst_tasks(own, np.array([0.1]), over_levels=True)[0])),
            "minus_base": minus(arm, DEFAULT),
            "minus_full": minus(arm, FULL),
        }
        for arm, own in scores.items()
    ]


def table(rows: list[dict[str, Any]]) -> Rows:
    """Return the rows as a table for the docs."""
    lines: Rows = [("arm", "mean", "worst tenth", "mean minus the base's [95%]", "minus that of all [95%]")]
    for row in rows:
        gains = [
            "" if row["arm"] == other else bracketed(list(row[name].values()), "+")
            for name, other in (("minus_base", DEFAULT), ("minus_full", FULL))
        ]
        lines.append((row["arm"], f"{row['mean']:.3f}", f"{row['worst_tenth']:.3f}", *gains))
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing, score it, and write and print the table.

    Args:
        arguments: command-line arguments; those of this process if None.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", choices=BASES, default="ppo", help="base of the rules (default: ppo)")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="folder of the runs of all bases")
    parser.add_argument("--meta-seeds", type=int, default=5, help="number of rules of each arm, at least 2")
    flags = parser.parse_args(arguments)
    if flags.meta_seeds < 2:
        parser.error(f"--meta-seeds must be >= 2, got {flags.meta_seeds}")
    folder, seeds = flags.runs / flags.base, range(flags.meta_seeds)
    for arm, fields in arms().items():
        discover(path_of(folder, arm), flags.base, fields, seeds)
    configure(None)
    from groove.run.run_parts import RunParts
    from groove.scoring.heldout import HELDOUT_STREAM, draw_level_set
    from levels.registry import generator

    levels = EXPERIMENTS["residual"].world.levels
    # The runs' own closing tables have seed 0.
    level_set = draw_level_set(
        generator(levels), HELDOUT_STREAM, NUM_LEVELS, zlib.crc32(f"ablations/{levels}".encode())
    )
    not_searched, settings = undiscovered(RunParts(config_of(flags.base, {})), flags.base, level_set)
    rows = summarise(not_searched | discovered(folder, flags.base, seeds, level_set))
    content = {"base": flags.base, "levels": levels, "settings": settings, "rows": rows}
    (folder / "ablations.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    for line in table(rows):
        print(f"{line[0]:38s} {'  '.join(str(cell) for cell in line[1:])}")


if __name__ == "__main__":
    main()
