"""What a generation with GROOVE's curriculum costs beside one with domain randomisation: `make bench`.

Both run in one process, turn by turn, so that other programs on the machine slow them alike.
"""

import dataclasses
import statistics
import time
from typing import Any

from benchmarks.generation import SETTINGS
from groove.devices import configure, lives_mesh

TURNS = 15
SAME = "dr"
CURRICULA = (SAME, "plr")


def generations(setting: str, curriculum: str) -> Any:
    """A function that runs one generation after another and waits for each.

    Args:
        setting: key of SETTINGS.
        curriculum: with algorithmic regret by two antagonists of each new level, half the levels new.

    Returns:
        Function of no arguments that returns the seconds of one generation.
    """
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from groove.building import build_training

    mesh = lives_mesh(None)
    training = build_training(dataclasses.replace(SETTINGS[setting], curriculum=curriculum), mesh)
    key = jax.random.key(0)
    state = jax.device_put(jax.jit(training.init)(key), NamedSharding(mesh, PartitionSpec()))
    advance: Any = jax.jit(training.generation, donate_argnums=1).lower(key, state).compile()

    def run() -> float:
        nonlocal state
        begin = time.perf_counter()
        state, metrics = advance(key, state)
        jax.block_until_ready(metrics)
        return time.perf_counter() - begin

    run()
    return run


def main() -> None:
    """Print the table."""
    configure(None)
    print(f"{'':3}{'DR':>12}{'GROOVE':>12}{'ratio':>10}{'min-max':>14}")
    for setting in SETTINGS:
        runs = [generations(setting, curriculum) for curriculum in CURRICULA]
        seconds = [[run() for run in runs] for _ in range(TURNS)]
        ratios = [groove / same for same, groove in seconds]
        same, groove = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(
            f"{setting:3}{same:10.3f} s{groove:10.3f} s{statistics.median(ratios):10.2f}"
            f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}",
            flush=True,
        )
    print("GROOVE: half the levels replayed, two A2C antagonists on each new one; ratio: median of turns")


if __name__ == "__main__":
    main()
