"""Searches for tuned settings, for one rule or for all that are compared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jax.sharding import Mesh

from groove.transfer.contestants import TUNED, Contestant, tuning_keys
from groove.transfer.environments import Environment
from groove.transfer.runner import Runner, Setting
from groove.transfer.suites import SUITES
from groove.transfer.tuning import Tuned, by_kind, read_tuned, tune, tuning_setting, write_tuned
from lpg.update_rule import Hyperparameters

CEILING = "ppo, tuned here"
"""PPO with settings found in the very environment that it is measured in."""

Tell = Callable[[str, int, int], None]
"""Hears what is tuned, lives done and lives in all."""


class SearchError(ValueError):
    """One line on settings that cannot be used."""


class Search:
    """A random search that writes what it has found, and does not repeat it."""

    def __init__(
        self, path: Path, setting: Setting, mesh: Mesh, chunk: int, num_configurations: int, tell: Tell
    ) -> None:
        """Read what an earlier search left in the file.

        Args:
            path: of the settings.
            setting: of the experiment.
            mesh: of the devices.
            chunk: lives in a batch.
            num_configurations: tried in each search.
            tell: hears of the lives that were lived.

        Raises:
            TuningError: the file holds something else.
        """
        self._path, self._setting, self._tell = path, setting, tell
        self._mesh, self._chunk, self._num_configurations = mesh, chunk, num_configurations
        self.found: Tuned = read_tuned(path, setting) if path.exists() else {}

    def on_validation(self, contestant: Contestant, suite: str) -> None:
        """Tune a rule for a suite, apart for each kind of observation.

        Args:
            contestant: the rule with its defaults.
            suite: key of SUITES.
        """
        for key, environments in by_kind(SUITES[suite].build_validation(suite)).items():
            self._search(contestant.name, contestant, key, environments)

    def on_itself(self, contestant: Contestant, environments: list[Environment]) -> None:
        """Tune a rule on each environment, at its own lifetime; the settings serve the other lifetimes, too.

        Args:
            contestant: the rule with its defaults.
            environments: of one suite.
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
    """The tuned likes of contestants.

    Args:
        contestants: with their defaults.
        settings: of some of them, and of CEILING.

    Returns:
        One for each rule in the settings.

    Raises:
        SearchError: settings of a rule that is not among the contestants.
    """
    by_name = {contestant.name: contestant for contestant in contestants}
    tuned = []
    for name, where in settings.items():
        if name == CEILING and "ppo" in by_name:
            tuned.append(replace(by_name["ppo"], name=CEILING, tuned=where))
        elif name not in by_name:
            raise SearchError(f"tuned settings are of {name!r}, which is not compared; compared: {', '.join(by_name)}")
        else:
            tuned.append(replace(by_name[name], name=f"{name}{TUNED}", tuned=where))
    return tuned
