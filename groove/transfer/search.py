"""Searches for tuned settings, for a single rule or for all rules being compared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jax.sharding import Mesh

from groove.transfer.contestants import TUNED, Contestant, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.runner import Runner, Setting
from groove.transfer.tuning import Tuned, by_kind, read_tuned, tune, tuning_setting, write_tuned
from lpg.update_rule import Hyperparameters

CEILING = "ppo, tuned here"
"""PPO with settings tuned in the very environment that it is evaluated in."""

Tell = Callable[[str, int, int], None]
"""Called with what is being tuned, the lives done and the lives in total."""


class SearchError(ValueError):
    """One line that says why settings cannot be used."""


class TuningSearch:
    """A random search that saves what it finds and does not repeat finished searches."""

    def __init__(
        self, path: Path, setting: Setting, mesh: Mesh, chunk: int, num_configurations: int, tell: Tell
    ) -> None:
        """Read the results of earlier searches from the file, if it exists.

        Args:
            path: path of the settings file.
            setting: setting of the experiment.
            mesh: mesh of the devices.
            chunk: lives in a batch.
            num_configurations: number of configurations tried in each search.
            tell: called with the progress after every batch.

        Raises:
            TuningError: the file is not a settings file, or was made with other workers or steps.
        """
        self._path, self._setting, self._tell = path, setting, tell
        self._mesh, self._chunk, self._num_configurations = mesh, chunk, num_configurations
        self.found: Tuned = read_tuned(path, setting) if path.exists() else {}

    def on_validation(self, contestant: Contestant, environments: list[Environment]) -> None:
        """Tune a rule on a suite's validation environments, separately for each kind of observation.

        Args:
            contestant: the rule with its default settings.
            environments: validation environments of one suite.
        """
        for key, alike in by_kind(environments).items():
            self._search(contestant.name, contestant, key, alike)

    def on_itself(self, contestant: Contestant, environments: list[Environment]) -> None:
        """Tune a rule on each environment at its own lifetime; the settings serve the other lifetimes as well.

        Args:
            contestant: the rule with its default settings.
            environments: environments of one suite.
        """
        for environment in environments:
            if environment.lifetime == 1:
                self._search(CEILING, contestant, tuning_keys(environment)[0], [environment])

    def _search(self, name: str, contestant: Contestant, key: str, environments: list[Environment]) -> None:
        if key in self.found.get(name, {}):
            return
        setting = tuning_setting(self._setting)
        lives = sum(len(environment.lives(setting.num_seeds)) for environment in environments)
        done = 0

        def tell(num_lives: int) -> None:
            nonlocal done
            done += num_lives
            self._tell(f"tuning {contestant.name} on {key}", done, lives * self._num_configurations)

        runner = Runner(setting, self._mesh, self._chunk)
        best: Hyperparameters = tune(runner, setting, contestant, environments, self._num_configurations, tell)
        self.found.setdefault(name, {})[key] = best
        write_tuned(self._path, self.found, self._setting)


def with_settings(contestants: list[Contestant], settings: Tuned) -> list[Contestant]:
    """Return tuned copies of the contestants.

    Args:
        contestants: contestants with their default settings.
        settings: tuned settings of some of them, and possibly of CEILING.

    Returns:
        One contestant for each rule in the settings.

    Raises:
        SearchError: the settings are for a rule that is not among the contestants.
    """
    by_name = {contestant.name: contestant for contestant in contestants}
    tuned = []
    for name, where in settings.items():
        if name == CEILING and "ppo" in by_name:
            tuned.append(replace(by_name["ppo"], name=CEILING, tuned=where))
        elif name not in by_name:
            raise SearchError(f"tuned settings are for {name!r}, which is not compared; compared: {', '.join(by_name)}")
        else:
            own = by_name[name]
            group = None if own.group is None else f"{own.group}{TUNED}"
            tuned.append(replace(own, name=f"{name}{TUNED}", tuned=where, group=group))
    return tuned
