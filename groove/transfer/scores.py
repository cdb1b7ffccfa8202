"""From raw returns to scores that can be compared across environments."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from groove.scoring.units import Units
from groove.transfer.contestants import RANDOM
from groove.transfer.environments import Environment
from groove.transfer.results import Row

ANCHOR = "ppo"
"""Rule whose mean return is a score of 1 where the optimum is not known."""

TaskKey = tuple[str, float, int]
"""Environment, lifetime, and the level if `every_level` is set, otherwise −1."""

Lived = dict[str, dict[TaskKey, dict[int, list[Row]]]]
"""Rows by rule, task and seed."""


@dataclass(frozen=True)
class SuiteScores:
    """Scores in one suite: 0 is random actions, 1 the best policy or, where it is not known, PPO.

    Attributes:
        suite: name of the suite.
        tasks: the n tasks.
        curves: by rule, [M, S, n, K] scores of the agents of S seeds at K points of life, for each of the rule files
            of M meta-seeds, one unless the rule is a group; those of random actions where its parameters were not
            finite.
        returns: by rule, [M, S, n + e] raw returns at the end of life, first on `tasks`, then on the e `excluded`.
        failed: by rule, [M, S, n + e] whether an agent's parameters were not finite at the end of its life.
        steps: by rule, [n, K] environment steps at the points of life, in each task.
        units: what was drawn at random in `tasks` and then in `excluded`.
        excluded: tasks without a scale, where PPO does not beat random actions by two standard errors; they are
            not among `tasks`.
        exact: whether the anchors of all tasks are known exactly rather than estimated.
    """

    suite: str
    tasks: list[TaskKey]
    curves: dict[str, Float[np.ndarray, "M S n K"]]
    returns: dict[str, Float[np.ndarray, "M S all"]]
    failed: dict[str, Bool[np.ndarray, "M S all"]]
    steps: dict[str, Float[np.ndarray, "n K"]]
    units: Units
    excluded: list[TaskKey]
    exact: bool

    @property
    def scored_units(self) -> Units:
        """What was drawn at random in `tasks` alone."""
        return self.units.of_tasks(list(range(len(self.tasks))))

    @property
    def has_levels_with_seeds(self) -> bool:
        """Whether tasks are levels that several seeds lived on; elsewhere each seed may have a draw of its own."""
        return self.units.drawn and all(curve.shape[1] > 1 for curve in self.curves.values())

    def final(self, rule: str) -> Float[np.ndarray, "M S n"]:
        """Return the scores at the end of life.

        Args:
            rule: key of `curves`.

        Returns:
            [M, S, n] scores.
        """
        return self.curves[rule][..., -1]

    def at_lifetime(self, factor: float) -> "SuiteScores":
        """Select the tasks of one lifetime.

        Args:
            factor: lifetime as a multiple of the environments' own.

        Returns:
            The scores on these tasks.
        """
        kept = [i for i, task in enumerate(self.tasks) if task[1] == factor]
        everywhere = [i for i, task in enumerate(self.tasks + self.excluded) if task[1] == factor]
        return SuiteScores(
            suite=self.suite,
            tasks=[self.tasks[i] for i in kept],
            curves={rule: x[:, :, kept] for rule, x in self.curves.items()},
            returns={rule: x[..., everywhere] for rule, x in self.returns.items()},
            failed={rule: x[..., everywhere] for rule, x in self.failed.items()},
            steps={rule: x[kept] for rule, x in self.steps.items()},
            units=self.units.of_tasks(everywhere),
            excluded=[task for task in self.excluded if task[1] == factor],
            exact=self.exact,
        )


def as_random_play(environments: list[Environment], rows: list[Row]) -> list[Row]:
    """Give failed agents the return of random actions.

    Args:
        environments: environments of the rows.
        rows: rows whose return is not finite where an agent's parameters were not.

    Returns:
        The rows in their order. Failed agents have the expected return of random actions where that is known exactly,
        otherwise the mean return of the rule `random`, or if that has not lived the lowest return in the task.
    """
    own = {(environment.name, environment.lifetime): environment for environment in environments}
    sound: dict[TaskKey, dict[str, list[float]]] = {}
    for row in rows:
        if math.isfinite(row.value):
            sound.setdefault(_task(own, row), {}).setdefault(row.rule, []).append(row.value)

    def random_return(row: Row) -> float:
        exact, by_rule = own[row.environment, row.lifetime].random, sound.get(_task(own, row), {})
        if exact is not None:
            return float(exact[row.level])
        if RANDOM in by_rule:
            return float(np.mean(by_rule[RANDOM]))
        return min((value for values in by_rule.values() for value in values), default=0.0)

    return [row if math.isfinite(row.value) else replace(row, value=random_return(row)) for row in rows]


def suite_scores(
    environments: list[Environment], rows: list[Row], groups: Mapping[str, Sequence[str]] | None = None
) -> SuiteScores:
    """Compute the scores of every rule that lived in a suite.

    Failed agents count as random play, see `as_random_play`.

    Args:
        environments: the suite's environments.
        rows: rows of results in these environments, with complete runs of every rule.
        groups: names of the rules of each group of meta-seeds, by the group's name, which takes their place.

    Returns:
        The scores.
    """
    own = {(environment.name, environment.lifetime): environment for environment in environments}
    measured = _lived(own, rows)
    lived = _lived(own, as_random_play(environments, rows))
    tasks: dict[TaskKey, None] = dict.fromkeys(task for rule in lived.values() for task in rule)
    exact = all(environment.optimum is not None for environment in environments)
    kept: list[TaskKey] = []
    excluded: list[TaskKey] = []
    for task in tasks:
        scaled = own[task[:2]].optimum is not None or _has_scale(lived, task)
        (kept if scaled else excluded).append(task)
    curves, returns, failed, steps = {}, {}, {}, {}
    group_of = {member: group for group, members in (groups or {}).items() for member in members}
    for rule in dict.fromkeys(group_of.get(name, name) for name in lived):
        if rule == RANDOM and not exact:
            continue
        names = (groups or {}).get(rule, [rule])
        members = [lived[name] for name in names]
        returns[rule] = np.stack([_points(by_task, kept + excluded, "value")[..., -1] for by_task in members])
        last = [_points(measured[name], kept + excluded, "value")[..., -1] for name in names]
        failed[rule] = ~np.isfinite(np.stack(last))
        if not kept:
            continue
        raw = np.stack([_points(by_task, kept, "value") for by_task in members])
        low, high = (np.array(ends).swapaxes(0, 1) for ends in zip(*(_ends(own, lived, t) for t in kept), strict=True))
        curves[rule] = (raw - low[..., None]) / (high - low)[..., None]
        steps[rule] = _points(members[0], kept, "step")[0]
    units = _units(own, kept + excluded)
    return SuiteScores(environments[0].suite, kept, curves, returns, failed, steps, units, excluded, exact)


def _lived(own: dict[tuple[str, float], Environment], rows: list[Row]) -> Lived:
    found: Lived = {}
    for row in rows:
        task = _task(own, row)
        found.setdefault(row.rule, {}).setdefault(task, {}).setdefault(row.seed, []).append(row)
    return found


def _task(own: dict[tuple[str, float], Environment], row: Row) -> TaskKey:
    level = row.level if own[row.environment, row.lifetime].every_level else -1
    return row.environment, row.lifetime, level


def _units(own: dict[tuple[str, float], Environment], tasks: list[TaskKey]) -> Units:
    """Return what was drawn in a suite; an environment's lifetimes share its levels, if it has several."""
    drawn = any(task[2] >= 0 for task in tasks)
    draws = [task if own[task[:2]].num_levels == 1 else (task[0], 1.0, task[2]) for task in tasks]
    numbers = {draw: number for number, draw in enumerate(dict.fromkeys(draws))}
    num_levels = [environment.num_levels for environment in own.values() if environment.num_levels > 1]
    # An environment with many levels is one distribution. Which distributions a suite has is not left to chance.
    names = list(dict.fromkeys(task[0] for task in tasks))
    strata = np.array([names.index(task[0]) for task in tasks], int) if drawn else None
    clusters = np.array([numbers[draw] for draw in draws], int)
    return Units(drawn, clusters, min(num_levels, default=None), strata)


def _runs(by_seed: dict[int, list[Row]]) -> list[list[Row]]:
    return [sorted(by_seed[seed], key=lambda row: row.step) for seed in sorted(by_seed)]


def _points(
    by_task: dict[TaskKey, dict[int, list[Row]]], tasks: list[TaskKey], field: str
) -> Float[np.ndarray, "S n K"]:
    """Return a field of every row of one rule file."""
    runs = [[[getattr(row, field) for row in run] for run in _runs(by_task[task])] for task in tasks]
    return np.array(runs, float).swapaxes(0, 1)


def _last_returns(by_seed: dict[int, list[Row]]) -> Float[np.ndarray, "S"]:
    return np.array([run[-1].value for run in _runs(by_seed)])


def _has_scale(lived: Lived, task: TaskKey) -> bool:
    random, anchor = (_last_returns(lived[rule][task]) for rule in (RANDOM, ANCHOR))
    error = math.sqrt(sum(float(x.var(ddof=1)) / x.size if x.size > 1 else 0.0 for x in (random, anchor)))
    return bool(anchor.mean() - random.mean() > max(2 * error, 1e-6))


def _ends(
    own: dict[tuple[str, float], Environment], lived: Lived, task: TaskKey
) -> tuple[Float[np.ndarray, "S"], Float[np.ndarray, "S"]]:
    """Find the returns that count as scores of 0 and of 1, for each seed."""
    environment = own[task[:2]]
    runs = _runs(next(iter(by_task[task] for by_task in lived.values())))
    if environment.random is not None and environment.optimum is not None:
        levels = [run[0].level for run in runs]
        return environment.random[levels], environment.optimum[levels]
    random, anchor = (_last_returns(lived[rule][task]).mean() for rule in (RANDOM, ANCHOR))
    return np.full(len(runs), random), np.full(len(runs), anchor)
