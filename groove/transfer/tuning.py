"""One random search for every rule: step sizes and costs that do best in validation environments."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from groove.scoring.random_search import TUNING_SEEDS, best_of, search_space
from groove.transfer.contestants import Contestant, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.results import Row
from groove.transfer.runner import Runner, Setting, groups
from lpg.atomic_file import replacing
from lpg.update_rule import Hyperparameters

FIRST_TUNING_SEED = 1_000_000
"""Seed of the first agent of a search, far from those that are reported."""

Tuned = dict[str, dict[str, Hyperparameters]]
"""By rule, then by a key of `groove.transfer.contestants.tuning_keys`."""


class TuningError(ValueError):
    """One line that names a file of tuned settings and what is wrong with it."""


def tuning_setting(setting: Setting) -> Setting:
    """The setting of a search: workers and steps of the experiment, seeds of its own, ends of life alone.

    Args:
        setting: of the experiment.

    Returns:
        The setting.
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

    A configuration's worth in an environment is its mean return over levels and seeds, on the scale from the
    worst to the best of all configurations there, 0 to 1; the mean over environments decides. One that breaks an
    agent is worth −1.

    Args:
        runner: of `tuning_setting`.
        setting: the same.
        contestant: whose rule is tuned, with its defaults.
        environments: to tune on, with one kind of observation.
        num_configurations: tried, ≥ 1, the default among them.
        tell: hears of the lives that were lived.

    Returns:
        Step sizes and costs.
    """
    assert contestant.rule is not None
    kind = tuning_keys(environments[0])[1]

    def worths(configurations: list[Hyperparameters]) -> Float[np.ndarray, "n"]:
        variants = [
            replace(contestant, name=str(number), tuned={kind: configuration})
            for number, configuration in enumerate(configurations)
        ]
        rows: list[Row] = []
        for group in groups(environments, setting):
            for batch in runner.run(group, variants, set()):
                rows += batch.rows
                tell(len(batch.rows))
        return np.mean([_worth(rows, environment, num_configurations) for environment in environments], axis=0)

    default = contestant.hyper(environments[0])
    return best_of(search_space(contestant.rule, default, num_configurations), worths)


def by_kind(environments: list[Environment]) -> dict[str, list[Environment]]:
    """Environments that can be tuned for together.

    Args:
        environments: of one suite.

    Returns:
        Those of each kind of observation, by their key of `groove.transfer.contestants.tuning_keys`.
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
    sound = np.isfinite(means)
    if not sound.any():
        return np.zeros(num_configurations)
    low, high = means[sound].min(), means[sound].max()
    return np.where(sound, (means - low) / (high - low if high > low else 1.0), -1.0)


def write_tuned(path: Path, tuned: Tuned, setting: Setting) -> None:
    """Keep tuned settings for other experiments.

    Args:
        path: JSON file to write.
        tuned: the settings.
        setting: whose workers and steps they were found with.
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
    """Settings that `write_tuned` wrote.

    Args:
        path: the file.
        setting: of the experiment that they are for.

    Returns:
        The settings.

    Raises:
        TuningError: the file is missing, is none of these, or was found with other workers or steps.
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
        raise TuningError(f"{path}: must be settings that `groove tune` wrote") from error
    if found_with != (setting.workers, setting.rollout_length):
        raise TuningError(
            f"{path}: tuned with {found_with[0]} workers x {found_with[1]} steps, "
            f"but lives have {setting.workers} x {setting.rollout_length}"
        )
    return rules
