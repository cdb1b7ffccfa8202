"""Lives of many lengths against lives that are all as long as the longest, timed in turn in one process."""

from typing import Any

import jax

from benchmarks.generation import Generations
from benchmarks.readings import Reading, Subject
from benchmarks.settings import settings_of
from benchmarks.timing import seconds_in_turns
from groove.config import TrainConfig
from groove.job.devices import lives_mesh

TURNS = 9


def measure(name: str, config: dict[str, Any], turns: int = TURNS) -> list[Reading]:
    """Measure the cost of mixed lifetimes against their share of a generation of constant lifetimes.

    The share is that of the updates lived; with sorted chunks of one life each, the ratio to it would be 1.

    Args:
        name: name of the subject.
        config: JSON of a config whose lifetime is a range.
        turns: number of generations timed.

    Returns:
        The readings.
    """
    chosen = TrainConfig.from_json(config)
    assert chosen.world.lifetime is not None
    longest = chosen.world.lifetime[1]
    mesh = lives_mesh(chosen.run.devices)
    constant = Generations(chosen.replaced(lifetime=(longest, longest)), mesh)
    mixed = Generations(chosen, mesh)
    lived: list[float] = []
    run: list[float] = []

    def mixed_and_counted() -> Any:
        metrics = jax.block_until_ready(mixed())
        lived.append(float(metrics["updates_lived"]))
        run.append(float(metrics["updates_run"]))
        return metrics

    seconds = seconds_in_turns([constant, mixed_and_counted], turns)
    # The call that is not timed was counted too.
    lived, run = lived[1:], run[1:]
    most = chosen.evolution.population * chosen.evolution.levels_per_candidate * longest
    subject = Subject("generation", name, settings_of(chosen))
    pairs = list(zip(seconds, lived, strict=True))
    return [
        subject.reading("generation", "s", [own for _, own in seconds]),
        subject.reading(f"all lives of {longest}", "s", [same for same, _ in seconds]),
        subject.reading("updates lived / of the longest", "x", [count / most for count in lived]),
        subject.reading("updates run / lived", "x", [a / b for a, b in zip(run, lived, strict=True)]),
        subject.reading("generation / its share", "x", [own / (same * count / most) for (same, own), count in pairs]),
        subject.reading("times faster than all longest", "x", [same / own for same, own in seconds]),
    ]
