"""Seconds per generation of meta-training, against the recurrent products alone: `make bench`.

Each setting runs in a process of its own, twice: with an empty compilation cache and with the one
the first left behind. Other programs on the machine slow the generation and the floor alike, so
their ratio is the steadier figure.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from groove.config import TrainConfig
from groove.devices import configure, lives_mesh, return_freed_memory

LIFETIME = 250
SETTINGS = {
    "A": TrainConfig(levels="small", population=16, workers=16, hidden_size=32, lifetime=(LIFETIME, LIFETIME)),
    "B": TrainConfig(levels="all", population=4, workers=64, hidden_size=256, lifetime=(LIFETIME, LIFETIME)),
}
REPEATS = 5


def products(config: TrainConfig, num_devices: int) -> Any:
    """A jitted function that does the recurrent products of one generation and nothing else.

    Args:
        config: of the generation.
        num_devices: over which the population is spread.

    Returns:
        Function of no arguments that returns an array.
    """
    import jax
    import jax.numpy as jnp
    from jax.sharding import PartitionSpec

    size, num_products = config.hidden_size, LIFETIME * config.rollout_length
    # An orthogonal block keeps the state's norm, so that no product meets denormal numbers.
    block = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (size, size)))[0]
    kernels = jnp.broadcast_to(jnp.tile(block, (1, 3)), (config.population, size, 3 * size))
    state = jnp.ones((config.population, config.workers, size))

    def on_device(state: Any, kernels: Any) -> Any:
        def step(_: Any, state: Any) -> Any:
            return jax.lax.slice_in_dim(state @ kernels, 0, size, axis=-1)

        return jax.lax.fori_loop(0, num_products, step, state)

    spec = PartitionSpec("lives")
    mesh = lives_mesh(num_devices)
    mapped = jax.jit(jax.shard_map(on_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
    return lambda: mapped(state, kernels)


def seconds_of(action: Any) -> list[float]:
    """Wall-clock seconds of repeated calls, after one that is not counted.

    Args:
        action: called without arguments; returns arrays to wait for.

    Returns:
        REPEATS numbers.
    """
    import jax

    jax.block_until_ready(action())
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        jax.block_until_ready(action())
        taken.append(time.perf_counter() - begin)
    return taken


def measure(setting: str, compile_only: bool) -> dict[str, Any]:
    """Measure one setting in this process.

    Args:
        setting: key of SETTINGS.
        compile_only: stop after the compilation.

    Returns:
        JSON object of figures.
    """
    config = SETTINGS[setting]
    configure(None)
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from groove.building import build_training

    mesh = lives_mesh(None)
    training = build_training(config, mesh)
    key = jax.random.key(0)
    state = jax.device_put(jax.jit(training.init)(key), NamedSharding(mesh, PartitionSpec()))
    begin = time.perf_counter()
    generation = jax.jit(training.generation).lower(key, state).compile()
    figures: dict[str, Any] = {"devices": mesh.size, "compile_seconds": time.perf_counter() - begin}
    return_freed_memory()
    if compile_only:
        return figures
    seconds = seconds_of(lambda: generation(key, state))
    # Before the floor is measured, whose arrays are not the generation's.
    figures["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = config.population * config.workers * config.rollout_length * LIFETIME
    median = statistics.median(seconds)
    floor = statistics.median(seconds_of(products(config, mesh.size)))
    return figures | {
        "seconds": seconds,
        "median_seconds": median,
        "env_steps_per_second": steps / median,
        "floor_seconds": floor,
        "ratio_to_floor": median / floor,
    }


def in_new_process(setting: str, cache: str, compile_only: bool) -> dict[str, Any]:
    """Measure a setting in a process of its own.

    Args:
        setting: key of SETTINGS.
        cache: folder of the compilation cache.
        compile_only: stop after the compilation.

    Returns:
        JSON object of figures.
    """
    command = [sys.executable, "-m", "benchmarks.generation", "--setting", setting]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
    arguments = command + ["--compile-only"] * compile_only
    done = subprocess.run(arguments, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table, or with --setting the figures of one setting as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--setting", choices=list(SETTINGS), help="measure one setting in this process")
    parser.add_argument("--compile-only", action="store_true", help="stop after the compilation")
    flags = parser.parse_args()
    if flags.setting:
        print(json.dumps(measure(flags.setting, flags.compile_only)))
        return
    columns = ("generation", "min-max", "env steps/s", "products", "ratio", "compile cold", "warm", "peak memory")
    print(f"{'':3}" + "".join(f"{column:>14}" for column in columns))
    for setting in SETTINGS:
        with tempfile.TemporaryDirectory() as cache:
            cold = in_new_process(setting, cache, compile_only=False)
            warm = in_new_process(setting, cache, compile_only=True)
        cells = (
            f"{cold['median_seconds']:.3f} s",
            f"{min(cold['seconds']):.2f}-{max(cold['seconds']):.2f} s",
            f"{cold['env_steps_per_second'] / 1e6:.2f}M",
            f"{cold['floor_seconds']:.3f} s",
            f"{cold['ratio_to_floor']:.2f}",
            f"{cold['compile_seconds']:.1f} s",
            f"{warm['compile_seconds']:.1f} s",
            f"{cold['peak_megabytes']:.0f} MB",
        )
        print(f"{setting:3}" + "".join(f"{cell:>14}" for cell in cells), flush=True)
    for setting, config in SETTINGS.items():
        text = f"{config.levels}, {config.population} candidates, {config.workers} workers"
        print(
            f"{setting}: {text}, {config.rollout_length} steps, GRU {config.hidden_size}, {LIFETIME} updates a lifetime"
        )


if __name__ == "__main__":
    main()
