"""Seconds to solve sets of levels exactly, compile included: part of `make bench`."""

import time
from functools import partial

from groove.devices import configure

SETS = {"small": 128, "all": 16}


def main() -> None:
    """Print a row for each set of levels."""
    configure(None)
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
    from levels.distributions import DISTRIBUTIONS
    from levels.solver import optimal_return

    for name, num_levels in SETS.items():
        distribution = DISTRIBUTIONS[name]
        keys = jax.random.split(jax.random.key(0), num_levels)
        levels = jax.block_until_ready(jax.jit(jax.vmap(distribution.sample))(keys))
        solve = jax.jit(jax.vmap(partial(optimal_return, distribution.world)))
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            jax.block_until_ready(solve(levels))
            seconds.append(time.perf_counter() - begin)
        first, again = seconds
        print(f"optimum of {num_levels} {name} levels: {first:.2f} s with compilation, {again:.3f} s again")


if __name__ == "__main__":
    main()
