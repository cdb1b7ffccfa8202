"""One random search for every rule, for the learning rates and costs that do best in validation environments."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from groove.scoring.random_search import TUNING_SEEDS, best_of, search_space
from groove.transfer.contestants import RANDOM, Contestant, hand_written, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.results import Row
from groove.transfer.runner import Runner, Setting, groups
from groove.transfer.scores import as_random_play
from lpg.atomic_file import replacing
from lpg.update_rule import Hyperparameters

FIRST_TUNING_SEED = 1_000_000
"""Seed of a search's first agent, far from the seeds of reported agents."""

Tuned = dict[str, dict[str, Hyperparameters]]
"""Tuned settings by rule, then by a key of `groove.transfer.contestants.tuning_keys`."""


class TuningError(ValueError):
    """One line that names a file of tuned settings and what is wrong with it."""


def tuning_setting(setting: Setting) -> Setting:
    """Return the setting of a search: the experiment's workers and steps, but separate seeds, evaluated at the end.

    Args:
        setting: setting of the experiment.

    Returns:
        The setting of the search.
    """
    return replace(setting, num_seeds=TUNING_SEEDS, first_seed=FIRST_TUNING_SEED, num_points=1)


def tune(
    runner: Runner,
    setting: Setting,
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
        runner: runner with the setting below.
        setting: result of `tuning_setting`.
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
    for group in groups(environments, setting):
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


def write_tuned(path: Path, tuned: Tuned, setting: Setting) -> None:
    """Save tuned settings for other experiments.

    Args:
        path: JSON file to write.
        tuned: the tuned settings.
        setting: setting with the workers and steps that they were found with.
    """
    rules = {
        rule: {
            where: {field.name: float(getattr(hyper, field.name)) for field in fields(hyper)}
            for where, hyper in own.items()
        }
        for rule, own in tuned.items()
    }
    content = {"workers": setting.workers, "rollout_length": setting.rollout_length, "rules": rules}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_tuned(path: Path, setting: Setting) -> Tuned:
    """Read settings that `write_tuned` wrote.

    Args:
        path: JSON file to read.
        setting: setting of the experiment that they are for.

    Returns:
        The tuned settings.

    Raises:
        TuningError: the file is missing or not such a file, or its settings were found with other workers or steps.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found_with = (content["workers"], content["rollout_length"])
        rules = {
            rule: {
                where: Hyperparameters(
                    **{field.name: jnp.float32(values[field.name]) for field in fields(Hyperparameters)}
                )
                for where, values in own.items()
            }
            for rule, own in content["rules"].items()
        }
    except OSError as error:
        raise TuningError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TuningError(f"{path}: must be a settings file written by `groove tune`") from error
    if found_with != (setting.workers, setting.rollout_length):
        raise TuningError(
            f"{path}: tuned with {found_with[0]} workers x {found_with[1]} steps, "
            f"but this experiment uses {setting.workers} x {setting.rollout_length}"
        )
    return rules
