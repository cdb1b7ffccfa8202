"""Searches for tuned settings, for a single rule or for all rules being compared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jax.sharding import Mesh

from groove.transfer.configurations import Configuration
from groove.transfer.contestants import TUNED, Contestant
from groove.transfer.environments import Environment
from groove.transfer.runner import Runner
from groove.transfer.tuned_settings import Search, Tuned, TuningError, add_tuned, read_tuned, search_of, settings_for
from groove.transfer.tuning import TUNING, by_kind, search_space, tune

CEILING = "ppo, tuned here"
"""PPO with settings tuned in the very environment that it is evaluated in."""

Tell = Callable[[str, int, int], None]
"""Called with what is being tuned, the lives done and the lives in total."""


class TuningSearch:
    """A random search that saves what it finds and does not repeat finished searches."""

    def __init__(self, path: Path, mesh: Mesh, chunk: int, num_configurations: int, tell: Tell) -> None:
        """Read the results of earlier searches from the file, if it exists.

        Args:
            path: path of the settings file.
            mesh: mesh of the devices.
            chunk: lives in a batch.
            num_configurations: number of configurations tried in each search.
            tell: called with the progress after every batch.

        Raises:
            TuningError: the file is not a settings file.
        """
        self._path, self._tell = path, tell
        self._mesh, self._chunk, self._num_configurations = mesh, chunk, num_configurations
        self._known = read_tuned(path) if path.exists() else {}
        self.found: Tuned = {}
        """Results of the searches that were asked for."""
        self.rankings: dict[Search, list[tuple[float, Configuration]]] = {}
        """Worth and configuration, best first, in the searches that were not known before."""

    def on_validation(self, contestant: Contestant, environments: list[Environment]) -> None:
        """Tune a rule on a suite's validation environments, separately for each kind of observation.

        Args:
            contestant: the rule with its default configuration.
            environments: validation environments of one suite.
        """
        for alike in by_kind(environments).values():
            self._search(search_of(contestant, alike, self._num_configurations), contestant, alike)

    def on_itself(self, contestant: Contestant, environments: list[Environment]) -> None:
        """Tune a rule on each environment at its own lifetime; the settings serve the other lifetimes as well.

        Args:
            contestant: the rule with its default configuration.
            environments: environments of one suite.
        """
        for environment in environments:
            if environment.lifetime == 1:
                search = search_of(contestant, [environment], self._num_configurations, ceiling=True)
                self._search(search, contestant, [environment])

    def _search(self, search: Search, contestant: Contestant, environments: list[Environment]) -> None:
        if search not in self._known:
            lives = sum(len(environment.lives(TUNING.num_seeds)) for environment in environments)
            done = 0

            def tell(num_lives: int) -> None:
                nonlocal done
                done += num_lives
                self._tell(f"tuning {contestant.name} on {search.where}", done, lives * self._num_configurations)

            runner = Runner(TUNING, self._mesh, self._chunk)
            configurations = search_space(contestant, environments, self._num_configurations)
            self.rankings[search] = tune(runner, contestant, environments, configurations, tell)
            self._known = add_tuned(self._path, {search: self.rankings[search][0][1]})
        self.found[search] = self._known[search]


def with_settings(
    contestants: list[Contestant], found: Tuned, suites: dict[str, list[Environment]]
) -> tuple[list[Contestant], list[Search]]:
    """Return tuned copies of the contestants.

    Args:
        contestants: contestants with their default configurations.
        found: results of searches, for some of them and for others.
        suites: environments that they will live in, by suite.

    Returns:
        A copy of each contestant with settings for one of the suites, then one of each with settings tuned in the
        very environments, called CEILING; and the searches that are left aside, because they are for other rules,
        suites, workers or steps.

    Raises:
        TuningError: settings for these contestants and suites contradict them or each other, or none applies.
    """
    names = {contestant.digest: contestant.name for contestant in contestants}
    for search in found:
        if search.rule not in names and search.name in names.values():
            raise TuningError(f"tuned settings are for another rule than the {search.name!r} that is compared")
    compared = {search: best for search, best in found.items() if search.rule in names}
    here: Tuned = {}
    for environments in suites.values():
        here |= settings_for(compared, environments)
    if found and not here:
        raise TuningError(
            f"tuned settings are for {', '.join(sorted({f'{own.name} on {own.where}' for own in found}))}; compared: "
            f"{', '.join(names.values())} on {', '.join(suites)}"
        )
    tuned = []
    for own in contestants:
        if settings := _settings(here, own, ceiling=False):
            group = None if own.group is None else f"{own.group}{TUNED}"
            tuned.append(replace(own, name=f"{own.name}{TUNED}", tuned=settings, group=group))
    ceilings = [(own, _settings(here, own, ceiling=True)) for own in contestants]
    tuned += [replace(own, name=CEILING, tuned=settings) for own, settings in ceilings if settings]
    return tuned, [search for search in found if search not in here]


def _settings(found: Tuned, contestant: Contestant, ceiling: bool) -> dict[str, Configuration]:
    own = {
        search.where: best
        for search, best in found.items()
        if (search.rule, search.ceiling) == (contestant.digest, ceiling)
    }
    for where, best in own.items():
        try:
            contestant.rule_of(best)
        except (TypeError, ValueError) as error:
            raise TuningError(
                f"tuned settings of {contestant.name} on {where} are not for this rule: {error}"
            ) from error
    return own
