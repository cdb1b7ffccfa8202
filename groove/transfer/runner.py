"""Lives of contestants in environments, with one compiled program for all that share shapes."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PyTree

from groove.building import build_learner
from groove.config import TrainConfig
from groove.discovery.population import Lives, Population
from groove.transfer.configurations import Configuration
from groove.transfer.contestants import Contestant
from groove.transfer.environments import Environment
from groove.transfer.results import Row, RunKey
from levels.world import World
from lpg.episodes import episode_returns, random_policy
from lpg.learner import Learner

LIVES_ON_CPU = {"table": 4, "network": 2}
LIVES_ELSEWHERE = 256
"""Lives computed at once on a device. The number is fixed because a program of another shape rounds differently, which
may flip an action, so that results would depend on which lives share a batch. Small numbers suit CPUs: all parameters
fit in the cache, and few seeds leave few places empty."""


@dataclass(frozen=True)
class Setting:
    """What is the same for every contestant.

    Attributes:
        num_seeds: agents of each rule in each environment.
        num_points: points of a life at which its agent is evaluated, including the end.
        first_seed: seed of the first agent.
    """

    num_seeds: int
    num_points: int = 5
    first_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_seeds", "num_points"):
            if getattr(self, name) < 1:
                raise ValueError(f"Setting.{name} must be >= 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class RunnerBatch:
    """Results of lives that ran side by side.

    Attributes:
        rows: rows of results, ordered by life and by point of life.
        seconds: seconds that the lives took, without compilation.
        compile_seconds: seconds of compilation, about 0 if the program was already compiled.
    """

    rows: list[Row]
    seconds: float
    compile_seconds: float


@dataclass(frozen=True)
class _Life:
    contestant: Contestant
    environment: Environment
    configuration: Configuration
    level: int
    seed: int

    @property
    def num_updates(self) -> int:
        """Updates of the whole life."""
        if self.contestant.rule is None:
            return 0
        return self.environment.updates_of(self.configuration.workers, self.configuration.rollout_length)

    @property
    def key(self) -> RunKey:
        environment = self.environment
        return (
            environment.suite,
            environment.name,
            environment.lifetime,
            self.level,
            self.contestant.name,
            self.seed,
        )


class Runner:
    """Runs lives in batches; JAX keeps the compiled programs, also for other runners."""

    def __init__(self, setting: Setting, mesh: Mesh, chunk: int) -> None:
        """Store the settings; nothing runs yet.

        Args:
            setting: settings of all lives.
            mesh: mesh of the devices.
            chunk: lives in a batch, rounded up to fill all devices; does not affect the results.
        """
        self._setting, self._mesh = setting, mesh
        self._chunk = chunk

    def run(
        self, environments: list[Environment], contestants: list[Contestant], done: set[RunKey]
    ) -> Iterator[RunnerBatch]:
        """Run the lives of contestants in environments that share a program, except those done.

        Args:
            environments: environments of one group, see `groups`.
            contestants: contestants with the same rule, which differ only in their configurations.
            done: runs to leave out.

        Yields:
            Batches, with lives ordered by program, contestant, environment, level and seed; lives whose configurations
            differ only in numbers share a program.
        """
        alike: dict[tuple[object, ...], list[_Life]] = {}
        for contestant in contestants:
            for environment in environments:
                configuration = contestant.configuration(environment)
                for level, seed in environment.lives(self._setting.num_seeds):
                    life = _Life(contestant, environment, configuration, level, self._setting.first_seed + seed)
                    if life.key not in done:
                        alike.setdefault((configuration.program, life.num_updates), []).append(life)
        for lives in alike.values():
            yield from self._batches(lives)

    def _batches(self, lives: list[_Life]) -> Iterator[RunnerBatch]:
        unit = _side_by_side(lives[0].environment) * self._mesh.size
        size = -(-min(self._chunk, len(lives)) // unit) * unit
        for start in range(0, len(lives), size):
            batch = lives[start : start + size]
            # All batches have one shape: copies of the last life fill the remaining places.
            yield self._live(batch, batch + [batch[-1]] * (size - len(batch)))

    def num_lives(self, environments: list[Environment]) -> int:
        """Count the lives of one contestant.

        Args:
            environments: environments that it lives in.

        Returns:
            The number of lives.
        """
        return sum(len(environment.lives(self._setting.num_seeds)) for environment in environments)

    def _live(self, batch: list[_Life], places: list[_Life]) -> RunnerBatch:
        contestant, first, num_updates = batch[0].contestant, batch[0].environment, batch[0].num_updates
        # Lives of one contestant in one environment are adjacent, so their inputs are made at once, not life by life.
        parts = [list(part) for _, part in groupby(places, key=lambda life: (life.contestant, life.environment))]
        levels = _joined([part[0].environment.levels_of([life.level for life in part]) for part in parts])
        keys = _joined(
            [
                part[0].environment.life_keys(
                    jnp.array([life.level for life in part]), jnp.array([life.seed for life in part])
                )
                for part in parts
            ]
        )
        if contestant.rule is None:
            program: Any = _random_returns
            static: tuple[object, ...] = (first.world, first.episodes)
            arguments: tuple[object, ...] = (keys, levels)
        else:
            population = Population(
                self._learner(batch[0]),
                self._mesh,
                _side_by_side(first),
                num_points=self._setting.num_points,
                num_episodes=first.episodes,
            )
            hypers = [jax.tree.map(partial(jnp.full, len(part)), part[0].configuration.hyper) for part in parts]
            lives = Lives(
                keys=keys,
                candidates=None,
                levels=levels,
                lengths=jnp.full(len(places), num_updates, jnp.int32),
                hyper=_joined(hypers),
            )
            program, static, arguments = _curve, (population,), (contestant.meta_params, lives)
        began = time.perf_counter()
        compiled = program.lower(*static, *arguments).compile()
        compiled_at = time.perf_counter()
        curves = np.asarray(compiled(*arguments))
        return RunnerBatch(
            rows=self._rows(batch, curves),
            seconds=time.perf_counter() - compiled_at,
            compile_seconds=compiled_at - began,
        )

    def _learner(self, life: _Life) -> Learner:
        configuration, environment = life.configuration, life.environment
        rule = life.contestant.rule_of(configuration)
        config = TrainConfig.of(workers=configuration.workers, rollout_length=configuration.rollout_length)
        minibatches = life.contestant.minibatches
        learner = build_learner(config, environment.world, rule, configuration.epochs, minibatches)
        return replace(learner, network=environment.network(rule.prediction_size, rule.reads_value))

    def _rows(self, batch: list[_Life], curves: Float[np.ndarray, "N K"]) -> list[Row]:
        num_points = curves.shape[1]
        rows = []
        for life, curve in zip(batch, curves, strict=False):
            configuration, num_updates = life.configuration, life.num_updates
            for point, value in enumerate(curve, start=1):
                updates = num_updates * point // num_points
                steps = updates * configuration.workers * configuration.rollout_length
                descents = updates * configuration.epochs * life.contestant.minibatches
                rows.append(Row(*life.key, steps, updates, descents, float(value)))
        return rows


def groups(environments: Iterable[Environment]) -> list[list[Environment]]:
    """Group the environments that share a compiled program.

    Args:
        environments: environments of one suite.

    Returns:
        Groups with equal worlds, torsos, budgets and numbers of episodes, each in the given order.
    """

    def key(environment: Environment) -> object:
        shape = (environment.updates, environment.workers, environment.rollout_length, environment.episodes)
        return (environment.world, environment.torso, *shape)

    found: dict[object, list[Environment]] = {}
    for environment in environments:
        found.setdefault(key(environment), []).append(environment)
    return list(found.values())


def _joined(parts: list[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _side_by_side(environment: Environment) -> int:
    if jax.default_backend() != "cpu":
        return LIVES_ELSEWHERE
    return LIVES_ON_CPU["network" if environment.world.num_observations is None else "table"]


@partial(jax.jit, static_argnums=0)
def _curve(population: Population, meta_params: object, lives: Lives) -> Float[Array, "N K"]:
    return population.live(meta_params, lives).curve


@partial(jax.jit, static_argnums=(0, 1))
def _random_returns(world: World, num_episodes: int, keys: Array, levels: object) -> Float[Array, "N 1"]:
    def returns(key: Array, level: object) -> Array:
        return jnp.mean(episode_returns(key, world, level, random_policy(world), num_episodes))

    return jax.vmap(returns)(keys, levels)[:, None]
