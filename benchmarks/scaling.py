"""Seconds of a generation as one of its sizes grows, all points timed in turn in one process."""

from typing import Any

from benchmarks.generation import Generations
from benchmarks.readings import Reading, Subject
from benchmarks.settings import point_name, settings_of
from benchmarks.timing import seconds_in_turns
from groove.config import TrainConfig
from groove.job.devices import lives_mesh

TURNS = 5


def measure(
    axis: str, config: dict[str, Any], values: list[int], growth: list[int] | None = None, turns: int = TURNS
) -> list[Reading]:
    """Time a generation at each value, and compare two of them.

    Args:
        axis: varied field of the config.
        config: JSON of the config, whose lives all have the same length.
        values: values of the field.
        growth: two of the values, whose costs are compared.
        turns: number of generations timed at each value.

    Returns:
        The readings.
    """
    chosen = TrainConfig.from_json(config)
    points = [TrainConfig.from_json(config | {axis: value}) for value in values]
    seconds = seconds_in_turns([Generations(point, lives_mesh(point.run.devices)) for point in points], turns)
    readings = []
    for place, (value, point) in enumerate(zip(values, points, strict=True)):
        subject = Subject("scaling", point_name(axis, value), settings_of(point))
        taken = [turn[place] for turn in seconds]
        assert point.world.lifetime is not None
        steps = (
            point.evolution.population
            * point.evolution.levels_per_candidate
            * point.agents.workers
            * point.agents.rollout_length
            * point.world.lifetime[0]
        )
        readings += [
            subject.reading("generation", "s", taken),
            subject.reading("env steps", "1/s", [steps / each for each in taken]),
        ]
    if growth is not None:
        low, high = (values.index(value) for value in growth)
        subject = Subject("scaling", f"{point_name(axis, growth[0])} to {growth[1]}", settings_of(chosen))
        readings.append(subject.reading("times the seconds", "x", [turn[high] / turn[low] for turn in seconds]))
    return readings
