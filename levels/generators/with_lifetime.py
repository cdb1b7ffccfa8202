"""A generator that gives another's levels a new lifetime."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Key, PyTree

from levels.generators.distributions import log_uniform_int
from levels.level_generator import LevelGenerator
from levels.world import World


@dataclass(frozen=True)
class WithLifetime:
    """A generator (levels.level_generator.LevelGenerator) that replaces the lifetime of another's levels.

    Attributes:
        generator: source of the levels.
        low: shortest lifetime in updates, ≥ 1.
        high: longest lifetime in updates; lifetimes are log-uniform integers in low..high.

    Raises:
        ValueError: low < 1 or high < low.
    """

    generator: LevelGenerator
    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise ValueError(f"WithLifetime: must be 1 <= low <= high, got {self.low} and {self.high}")

    @property
    def world(self) -> World:
        return self.generator.world

    @property
    def num_tasks(self) -> int | None:
        """Number of tasks of the other generator, each with any of the lifetimes; None if the former is not known."""
        num_tasks = getattr(self.generator, "num_tasks", None)
        return None if num_tasks is None else num_tasks * (self.high - self.low + 1)

    def sample(self, key: Key[Array, ""]) -> PyTree:
        # The key is passed on unchanged, so that the same levels are drawn whatever their lifetime.
        level: Any = self.generator.sample(key)
        lifetime_key = jax.random.fold_in(key, 2**31)
        return level.replace(lifetime=log_uniform_int(jax.random.uniform(lifetime_key), self.low, self.high))
