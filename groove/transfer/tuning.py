"""One random search for every rule, for the configuration that does best in validation environments."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from groove.scoring.random_search import TUNING_SEEDS
from groove.scoring.random_search import search_space as hyperparameters
from groove.transfer.configurations import Configuration
from groove.transfer.contestants import RANDOM, Contestant, hand_written, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.results import Row
from groove.transfer.runner import Runner, Setting, groups
from groove.transfer.scores import as_random_play

TUNING = Setting(num_seeds=TUNING_SEEDS, num_points=1, first_seed=1_000_000)
"""Setting of a search: seeds far from those of reported agents, and one evaluation, at the end of life."""

SHAPES = ((64, 20), (16, 20), (32, 8), (16, 64))
"""Workers and steps between two updates that a search tries beside the default, where a life has as many steps."""

EPOCHS = (2, 4, 8)
"""Passes over a rollout that a search tries, for rules that split rollouts into minibatches."""

CONFIGURATIONS_PER_PROGRAM = 2
"""Configurations of a search that share all that a program is compiled for."""


def search_space(
    contestant: Contestant, environments: list[Environment], num_configurations: int
) -> list[Configuration]:
    """Return the configurations of a search: the default first, then draws.

    Hyperparameters are drawn as in `groove.scoring.random_search`. Workers and steps, epochs and the fields that the
    rule names in `choices` (discount, λ, clip) take few values, each as often as the others. Every two configurations
    share these, so that a search of n compiles about n / 2 programs. The number of environment steps is always the
    environment's.

    Args:
        contestant: contestant whose rule is tuned, with its default configuration.
        environments: environments to tune on, with one kind of observation.
        num_configurations: number of configurations, ≥ 1.

    Returns:
        That many configurations, the same in every call.
    """
    assert contestant.rule is not None
    draws, default = np.random.default_rng(1), contestant.configuration(environments[0])
    num_drawn = (num_configurations - 1) // CONFIGURATIONS_PER_PROGRAM

    def evenly(values: Sequence[Any]) -> list[Any]:
        """Return as many values as programs are drawn, each as often as the others, in random order."""
        orders = [draws.permutation(len(values)) for _ in range(-(-num_drawn // len(values)))]
        return [values[n] for order in orders for n in order][:num_drawn]

    budget = min(environment.updates * environment.steps_per_update for environment in environments)
    own_shape = (default.workers, default.rollout_length)
    shapes = list(dict.fromkeys([own_shape, *(shape for shape in SHAPES if math.prod(shape) <= budget)]))
    choices: dict[str, tuple[float, ...]] = getattr(contestant.rule, "choices", {})
    drawn = zip(
        evenly(shapes),
        evenly(EPOCHS if contestant.minibatches > 1 else (default.epochs,)),
        *(evenly(values) for values in choices.values()),
        strict=True,
    )
    programs = [default] + [
        replace(default, workers=b, rollout_length=t, epochs=epochs, fields=dict(zip(choices, values, strict=True)))
        for (b, t), epochs, *values in drawn
    ]
    hypers = hyperparameters(contestant.rule, default.hyper, num_configurations)
    return [replace(programs[n // CONFIGURATIONS_PER_PROGRAM], hyper=hyper) for n, hyper in enumerate(hypers)]


def tune(
    runner: Runner,
    contestant: Contestant,
    environments: list[Environment],
    configurations: list[Configuration],
    tell: Callable[[int], None],
) -> list[tuple[float, Configuration]]:
    """Rank configurations.

    A configuration's worth in an environment is its mean return over levels and seeds, rescaled so that the worst
    configuration there is 0 and the best is 1. Agents that fail count as random play. The configuration with the
    highest mean over environments wins.

    Args:
        runner: runner with the setting TUNING.
        contestant: contestant whose rule is tuned, with its default configuration.
        environments: environments to tune on, with one kind of observation.
        configurations: n ≥ 1 configurations, such as those of `search_space`.
        tell: called with the number of lives finished after every batch.

    Returns:
        Mean worth in 0..1 and configuration, the best one first; ties keep their order.
    """
    kind = tuning_keys(environments[0])[1]
    variants = [
        replace(contestant, name=str(number), tuned={kind: configuration})
        for number, configuration in enumerate(configurations)
    ]
    rows: list[Row] = []
    for group in groups(environments):
        for batch in runner.run(group, variants, set()):
            rows += batch.rows
            tell(len(batch.rows))
        if any(environment.random is None for environment in group) and not np.isfinite([x.value for x in rows]).all():
            rows += [row for batch in runner.run(group, [hand_written(RANDOM)], set()) for row in batch.rows]
    rows = as_random_play(environments, rows)
    worths = np.mean([_worth(rows, environment, len(configurations)) for environment in environments], axis=0)
    return [(float(worths[n]), configurations[n]) for n in np.argsort(-worths, kind="stable")]


def by_kind(environments: list[Environment]) -> dict[str, list[Environment]]:
    """Group the environments for which rules are tuned together.

    Args:
        environments: environments of one suite.

    Returns:
        The environments of each kind of observation, by their key of `groove.transfer.contestants.tuning_keys`.
    """
    found: dict[str, list[Environment]] = {}
    for environment in environments:
        found.setdefault(tuning_keys(environment)[1], []).append(environment)
    return found


def _worth(rows: list[Row], environment: Environment, num_configurations: int) -> Float[np.ndarray, "n"]:
    own = [row for row in rows if (row.environment, row.lifetime) == (environment.name, environment.lifetime)]
    means = np.array(
        [np.mean([row.value for row in own if row.rule == str(number)]) for number in range(num_configurations)]
    )
    low, high = means.min(), means.max()
    return (means - low) / (high - low if high > low else 1.0)
