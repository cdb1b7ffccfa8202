"""Seconds to solve sets of levels exactly."""

import time
from functools import partial

import jax

from benchmarks.readings import Reading, Subject
from benchmarks.timing import seconds_of
from levels.generators.distributions import DISTRIBUTIONS
from levels.solver import optimal_return

REPEATS = 5


def measure(sets: dict[str, int], repeats: int = REPEATS) -> list[Reading]:
    """Time the computation of optimal returns on levels of some distributions.

    Args:
        sets: number of levels by distribution.
        repeats: number of times that they are solved.

    Returns:
        The readings.
    """
    readings = []
    for name, num_levels in sets.items():
        distribution = DISTRIBUTIONS[name]
        keys = jax.random.split(jax.random.key(0), num_levels)
        levels = jax.block_until_ready(jax.jit(jax.vmap(distribution.sample))(keys))
        solve = jax.jit(jax.vmap(partial(optimal_return, distribution.world))).lower(levels)
        subject = Subject("solver", f"{num_levels} levels of {name}", {"levels": name, "num_levels": num_levels})
        begin = time.perf_counter()
        compiled = solve.compile()
        readings += [
            subject.reading("compile, cold", "s", [time.perf_counter() - begin]),
            subject.reading("all optima", "s", seconds_of(partial(compiled, levels), repeats)),
        ]
    return readings
