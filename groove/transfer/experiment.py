"""Experiments: contestants live in suites, results are appended as they come in, and stopping loses little work."""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from groove.records.json_lines import JsonLines
from groove.transfer.contestants import RANDOM, Contestant, hand_written
from groove.transfer.environments import Environment
from groove.transfer.methods import members_by_group
from groove.transfer.results import Row, RunKey, append_results, read_results
from groove.transfer.runner import Runner, RunnerBatch, Setting, groups
from groove.transfer.scores import ANCHOR, SuiteScores, suite_scores
from groove.transfer.suites import SUITES
from groove.transfer.summary import summarise
from groove.versions import recorded_versions
from lpg.atomic_file import replacing
from lpg.rules.plugin_rule import PluginRule


class ExperimentError(ValueError):
    """One line that names an experiment's folder and what is wrong with it."""


@dataclass(frozen=True)
class ExperimentProgress:
    """How far an experiment has come.

    Attributes:
        suite: suite in which agents are living.
        rule: name of their contestant.
        num_done: lives finished, those of earlier calls included.
        num_lives: lives in total.
    """

    suite: str
    rule: str
    num_done: int
    num_lives: int


class Experiment:
    """Contestants × suites × seeds in one folder.

    `config.json` says what is measured, `results.csv` holds every run, `timing.jsonl` its cost, and
    `summary.json` the aggregates. Returns depend only on the config; wall-clock times are kept separately.
    """

    def __init__(
        self,
        folder: Path,
        suites: dict[str, list[Environment]],
        contestants: list[Contestant],
        setting: Setting,
        cache: Path | None = None,
    ) -> None:
        """Check that every contestant can learn in every environment.

        Random actions and PPO join the contestants in suites where the optimum is not known exactly.

        Args:
            folder: folder of the experiment.
            suites: environments by suite.
            contestants: contestants with unique names.
            setting: settings of all lives.
            cache: folder of runs of hand-written rules for other experiments to reuse, None for no cache.

        Raises:
            ValueError: a rule cannot learn in an environment.
        """
        self.folder, self.suites, self.setting = folder, suites, setting
        self._contestants, self._cache = contestants, cache
        for environments in suites.values():
            for contestant in contestants:
                for environment in environments:
                    contestant.refuse(environment)

    def contestants(self, suite: str) -> list[Contestant]:
        """List the contestants that live in a suite.

        Args:
            suite: name of the suite.

        Returns:
            The contestants, without those tuned for other suites only, preceded by the anchors of the scores if
            these are needed and missing.
        """
        exact = all(environment.optimum is not None for environment in self.suites[suite])
        names = {contestant.name for contestant in self._contestants}
        anchors = [] if exact else [name for name in (RANDOM, ANCHOR) if name not in names]
        here = [own for own in self._contestants if own.is_tuned_for(self.suites[suite])]
        return [*(hand_written(name) for name in anchors), *here]

    def config(self) -> dict[str, Any]:
        """Describe everything that the returns depend on.

        Returns:
            JSON content.
        """
        return {
            "setting": asdict(self.setting),
            "suites": {suite: _fingerprint(own) for suite, own in self.suites.items()},
            "rules": {
                suite: {
                    contestant.name: hashlib.sha256(
                        "".join(contestant.fingerprint(environment) for environment in own).encode()
                    ).hexdigest()
                    for contestant in self.contestants(suite)
                }
                for suite, own in self.suites.items()
            },
            "versions": recorded_versions("jax", "gymnax"),
        }

    def open(self) -> None:
        """Create the folder, or check that it holds this very experiment.

        Raises:
            ExperimentError: the folder holds another experiment, or its config is corrupt.
            OSError: the folder cannot be created.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path, wanted = self.folder / "config.json", self.config()
        if not path.exists():
            with replacing(path) as new:
                new.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            differing = [name for name in wanted if found[name] != wanted[name]]
        except (ValueError, KeyError, TypeError) as error:
            raise ExperimentError(f"{path}: corrupt: it does not describe an experiment") from error
        if differing:
            raise ExperimentError(f"{self.folder} holds another experiment, with different {', '.join(differing)}")

    def run(self, runner: Runner, tell: Callable[[ExperimentProgress], None]) -> None:
        """Run all lives that are not yet in results.csv.

        Args:
            runner: runs the lives.
            tell: called with the progress after every batch.
        """
        rows, timing = self._whole_runs(), self._timing.keep()
        done = {row.run for row in rows}
        jobs = [
            (suite, group, contestant)
            for suite, environments in self.suites.items()
            for group in groups(environments)
            for contestant in self.contestants(suite)
        ]
        num_lives = sum(runner.num_lives(group) for _, group, _ in jobs)
        for suite, group, contestant in jobs:
            for environments, use in _split(group, partial(self._cached, contestant=contestant, done=done)):
                for new_rows, new_timing in self._outcomes(runner, environments, contestant, done, use):
                    append_results(self._results, new_rows)
                    self._timing.append(*new_timing)
                    rows += new_rows
                    timing += new_timing
                    done |= {row.run for row in new_rows}
                    tell(ExperimentProgress(suite, contestant.name, len(done), num_lives))
            for environment in group:
                self._keep(environment, contestant, rows, timing)

    def _outcomes(
        self,
        runner: Runner,
        environments: list[Environment],
        contestant: Contestant,
        done: set[RunKey],
        use: dict[str, Any] | None,
    ) -> Iterator[tuple[list[Row], list[dict[str, Any]]]]:
        if use is not None:
            rows = [replace(Row(**row), rule=contestant.name) for row in use["rows"]]
            yield rows, [row | {"rule": contestant.name, "cached": True} for row in use["timing"]]
            return
        for batch in runner.run(environments, [contestant], done):
            yield batch.rows, _costs(batch)

    def scores(self) -> dict[str, SuiteScores]:
        """Compute the scores of a finished experiment.

        Returns:
            Scores by suite.
        """
        rows = read_results(self._results)
        return {
            suite: suite_scores(environments, [row for row in rows if row.suite == suite], self._groups(suite))
            for suite, environments in self.suites.items()
        }

    def summarise(self, scores: dict[str, SuiteScores]) -> dict[str, Any]:
        """Write summary.json.

        Args:
            scores: scores by suite.

        Returns:
            The summary by suite, as in the file.
        """
        learned = dict.fromkeys(contestant.method for contestant in self._contestants if contestant.is_learned)
        timing = self._timing.rows()
        summary = {
            suite: summarise(
                own,
                [name for name in learned if name in own.returns],
                [row for row in timing if row["suite"] == suite],
                self._groups(suite),
            )
            for suite, own in scores.items()
        }
        with replacing(self.folder / "summary.json") as new:
            new.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return summary

    def _groups(self, suite: str) -> dict[str, list[str]]:
        return members_by_group(self.contestants(suite))

    @property
    def _results(self) -> Path:
        return self.folder / "results.csv"

    def _whole_runs(self) -> list[Row]:
        """Return the rows of results.csv, dropping an incomplete last run, which is then run again."""
        rows = read_results(self._results)
        last = [row for row in rows if row.run == rows[-1].run]
        if not rows or len(last) == (1 if rows[-1].rule == RANDOM else self.setting.num_points):
            return rows
        with replacing(self._results) as new:
            append_results(new, rows[: -len(last)])
        return rows[: -len(last)]

    @property
    def _timing(self) -> JsonLines:
        return JsonLines(self.folder / "timing.jsonl")

    def cache_path(self, environment: Environment, contestant: Contestant) -> Path | None:
        """Return the file that caches a contestant's runs in an environment, None where no runs are cached.

        Args:
            environment: environment that its agents live in.
            contestant: the contestant.

        Returns:
            The path, which need not exist.
        """
        # Only built-in rules in frozen suites: no fingerprint covers all that a user's code or environment depends on.
        own = contestant.is_learned or isinstance(contestant.rule, PluginRule)
        if self._cache is None or own or environment.source_sha256 or environment.suite.partition("@")[0] not in SUITES:
            return None
        words = [environment.fingerprint(), contestant.fingerprint(environment), asdict(self.setting)]
        words += [_sources(), version("jax"), version("gymnax"), jax.default_backend(), platform.machine()]
        return self._cache / f"{hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]}.json"

    def _cached(self, environment: Environment, contestant: Contestant, done: set[RunKey]) -> dict[str, Any] | None:
        """Return runs cached by an earlier experiment, None if there are none or some of them are done already."""
        path = self.cache_path(environment, contestant)
        name = (environment.suite, environment.name, environment.lifetime)
        if path is None or not path.exists() or any(run[:3] == name and run[4] == contestant.name for run in done):
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            [Row(**row) for row in content["rows"]]
            return content if content["timing"] else None
        except (ValueError, KeyError, TypeError):
            return None

    def _keep(
        self, environment: Environment, contestant: Contestant, rows: list[Row], timing: list[dict[str, Any]]
    ) -> None:
        path = self.cache_path(environment, contestant)
        if path is None or path.exists():
            return
        name = (environment.suite, environment.name, environment.lifetime, contestant.name)
        own = [asdict(row) for row in rows if (*row.run[:3], row.rule) == name]
        cost = [row for row in timing if (row["suite"], row["environment"], row["lifetime"], row["rule"]) == name]
        # Failing to write the cache is no reason to stop.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as new:
                new.write_text(json.dumps({"rows": own, "timing": cost}), encoding="utf-8")


@cache
def _sources() -> str:
    """Return the SHA-256 of the code that lives depend on."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for room in ("levels", "lpg", "groove"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _fingerprint(environments: list[Environment]) -> str:
    return hashlib.sha256("".join(environment.fingerprint() for environment in environments).encode()).hexdigest()


def _costs(batch: RunnerBatch) -> list[dict[str, Any]]:
    """Return the cost of a batch, split between its environments in proportion to their lives."""
    lives: dict[tuple[str, str, float, str], list[Row]] = {}
    last = {row.run: row for row in batch.rows}
    for row in last.values():
        lives.setdefault((row.suite, row.environment, row.lifetime, row.rule), []).append(row)
    return [
        {
            "suite": suite,
            "environment": environment,
            "lifetime": lifetime,
            "rule": rule,
            "lives": len(rows),
            "env_steps": sum(row.step for row in rows),
            "gradient_steps": sum(row.gradient_steps for row in rows),
            "seconds": batch.seconds * len(rows) / len(last),
            "compile_seconds": batch.compile_seconds * len(rows) / len(last),
        }
        for (suite, environment, lifetime, rule), rows in lives.items()
    ]


def _split(
    group: list[Environment], cached: Callable[[Environment], dict[str, Any] | None]
) -> Iterator[tuple[list[Environment], dict[str, Any] | None]]:
    """Split a group, in its order: each cached environment by itself, those in between together."""
    together: list[Environment] = []
    for environment in group:
        found = cached(environment)
        if found is None:
            together.append(environment)
            continue
        if together:
            yield together, None
            together = []
        yield [environment], found
    if together:
        yield together, None
