"""One random search for every rule, for the learning rates and costs that do best in validation environments."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from groove.scoring.random_search import TUNING_SEEDS, best_of, search_space
from groove.transfer.contestants import RANDOM, Contestant, hand_written, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.results import Row
from groove.transfer.runner import Runner, Setting, groups
from groove.transfer.scores import as_random_play
from lpg.update_rule import Hyperparameters

TUNING = Setting(num_seeds=TUNING_SEEDS, num_points=1, first_seed=1_000_000)
"""Setting of a search: seeds far from those of reported agents, and one evaluation, at the end of life."""


def tune(
    runner: Runner,
    contestant: Contestant,
    environments: list[Environment],
    num_configurations: int,
    tell: Callable[[int], None],
) -> Hyperparameters:
    """Find the best of the default configuration and random draws from `search_space`.

    A configuration's worth in an environment is its mean return over levels and seeds, rescaled so that the worst
    configuration there is 0 and the best is 1. Agents that fail count as random play. The configuration with the
    highest mean over environments wins.

    Args:
        runner: runner with the setting TUNING.
        contestant: contestant whose rule is tuned, with its default settings.
        environments: environments to tune on, with one kind of observation.
        num_configurations: number of configurations tried, including the default, ≥ 1.
        tell: called with the number of lives finished after every batch.

    Returns:
        The best learning rates and costs.
    """
    assert contestant.rule is not None
    configurations = search_space(contestant.rule, contestant.hyper(environments[0]), num_configurations)
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
    worths = np.mean([_worth(rows, environment, num_configurations) for environment in environments], axis=0)
    return best_of(configurations, worths)


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
