"""Workers, steps between updates, learning rates and their decay of PPO and A2C by kind of observation.

`python -m benchmarks.baseline_defaults --kind vector` tries all combinations on the validation environments of the
suites that have observations of this kind, with three seeds each, and writes the ranking. Suites take their workers and
steps from it. The number of environment steps is always the environment's own.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp

from groove.job.devices import configure, lives_mesh

if TYPE_CHECKING:
    from groove.transfer.configurations import Configuration

SUITES_OF = {"vector": ("classic", "bsuite"), "image": ("minatar",)}
RULES = ("a2c", "ppo")
DECAYS = (0.0, 1.0)
"""Exponents of the learning rate's decay."""
CHUNK = 128


@dataclass(frozen=True)
class Combination:
    """What is tried.

    Attributes:
        workers: workers B.
        rollout_length: steps T between two updates.
        rate: multiple of the default learning rate.
        decay: exponent of the learning rate's decay.
    """

    workers: int
    rollout_length: int
    rate: float
    decay: float

    def of(self, default: "Configuration") -> "Configuration":
        """Return the default configuration with what is tried in its place."""
        names = ("learning_rate", "prediction_learning_rate")
        rates = {name: jnp.float32(getattr(default.hyper, name) * self.rate) for name in names}
        hyper = replace(default.hyper, **rates, learning_rate_decay=jnp.float32(self.decay))
        return replace(default, hyper=hyper, workers=self.workers, rollout_length=self.rollout_length)


def combinations(rates: Sequence[float]) -> list[Combination]:
    """List all combinations, those of one program in succession.

    Args:
        rates: multiples of the default learning rate.

    Returns:
        Every shape that a search tries, with every rate and decay.
    """
    from groove.transfer.tuning import SHAPES

    return [Combination(b, t, rate, decay) for (b, t), rate, decay in itertools.product(SHAPES, rates, DECAYS)]


def worths(tried: list[Combination], rule: str, suite: str, kind: str) -> dict[Combination, float]:
    """Measure combinations on the validation environments of a suite.

    Args:
        tried: the combinations.
        rule: name of a hand-written rule.
        suite: name of the suite.
        kind: kind of observation; environments with others are left out.

    Returns:
        Their worths in 0..1, as `groove.transfer.tuning.tune` defines them.
    """
    from groove.transfer.contestants import hand_written
    from groove.transfer.runner import Runner
    from groove.transfer.suites import SUITES
    from groove.transfer.tuning import TUNING, tune
    from levels.world import observation_kind

    build, contestant = SUITES[suite].build_validation, hand_written(rule)
    assert build is not None
    alike = [own for own in build(SUITES[suite].label(suite)) if observation_kind(own.world) == kind]
    default = contestant.configuration(alike[0])
    configurations = [one.of(default) for one in tried]
    runner = Runner(TUNING, lives_mesh(None), CHUNK)
    ranked = tune(runner, contestant, alike, configurations, lambda lives: print(f"{suite}, {rule}: {lives} lives"))
    worth_of = {id(configuration): worth for worth, configuration in ranked}
    return {one: worth_of[id(configuration)] for one, configuration in zip(tried, configurations, strict=True)}


def main() -> None:
    """Rank for every rule, write the ranking and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=SUITES_OF, required=True, help="kind of observation")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES, help="rules to rank for")
    parser.add_argument("--rates", nargs="+", type=float, default=[1.0, 3.0], help="multiples of the learning rate")
    parser.add_argument("--out", type=Path, default=Path("runs/baseline-defaults"), help="folder of the ranking")
    flags = parser.parse_args()
    configure(None)
    flags.out.mkdir(parents=True, exist_ok=True)
    for rule in flags.rules:
        tried = combinations(flags.rates)
        by_suite = {suite: worths(tried, rule, suite, flags.kind) for suite in SUITES_OF[flags.kind]}
        rows = [
            {"rule": rule} | asdict(one) | {"worth": {suite: found[one] for suite, found in by_suite.items()}}
            for one in tried
        ]
        rows.sort(key=lambda row: -sum(row["worth"].values()))
        path = flags.out / f"{flags.kind}-{rule}.json"
        path.write_text(json.dumps(rows, indent=2) + "\n")
        for row in rows:
            worth = ", ".join(f"{suite} {value:.3f}" for suite, value in row["worth"].items())
            print(
                f"{row['workers']} x {row['rollout_length']}, rate x {row['rate']:g}, decay {row['decay']:g}: {worth}"
            )


if __name__ == "__main__":
    main()
