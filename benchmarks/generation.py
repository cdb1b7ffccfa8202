"""Generations of meta-training: their times against their floors, their compile times and their memory."""

import time
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array

from benchmarks.floors import RecurrentWork, products, triad
from benchmarks.readings import Reading, Subject
from benchmarks.settings import settings_of
from benchmarks.timing import peak_megabytes, seconds_in_turns
from groove.building import build_rule, build_training
from groove.config import TrainConfig
from groove.discovery.generation_programs import GenerationPrograms
from groove.job.devices import lives_mesh, replicated

REPEATS = 5
TRIAD_MEGABYTES = {"cpu": 256, "elsewhere": 4096}
"""Size of the arrays on each device that measure bandwidth; accelerators read small ones too fast to time."""


class Generations:
    """Generations one after another, compiled."""

    def __init__(self, config: TrainConfig, mesh: Mesh) -> None:
        """Compile, and build the state before the first generation.

        Args:
            config: config of the generations.
            mesh: mesh of the devices.
        """
        self._training = build_training(config, mesh)
        key = jax.random.key(0)
        self._key, self._state = replicated(mesh, (key, jax.jit(self._training.init)(key)))
        begin = time.perf_counter()
        self._advance = GenerationPrograms(self._training, self._key, self._state)
        self.compile_seconds = time.perf_counter() - begin

    @property
    def chunk_size(self) -> int | None:
        """Maximum number of lives side by side on a device; None if the population chooses."""
        return self._training.population.chunk_size

    def __call__(self) -> dict[str, Array]:
        """Run the next generation.

        Returns:
            Its metrics.
        """
        self._state, metrics = self._advance(self._key, self._state)
        return metrics


def speed(name: str, config: dict[str, Any], repeats: int = REPEATS) -> list[Reading]:
    """Time a generation and its floors in turn, and its compilation, which needs an empty compilation cache.

    Args:
        name: name of the setting.
        config: JSON of its config, whose lives all have the same length.
        repeats: number of turns of the generation and its floors.

    Returns:
        The readings.
    """
    chosen = TrainConfig.from_json(config)
    subject, mesh = Subject("generation", name, settings_of(chosen)), lives_mesh(chosen.run.devices)
    generations = Generations(chosen, mesh)
    for _ in range(2):
        jax.block_until_ready(generations())
    # Read before the floors are measured, because their arrays are not the generation's.
    peak = peak_megabytes(mesh)
    work = RecurrentWork.of(chosen, mesh.size, generations.chunk_size)
    stream, moved = triad(mesh, TRIAD_MEGABYTES["cpu" if jax.default_backend() == "cpu" else "elsewhere"])
    floor = products(work, mesh, build_rule(chosen).precision)
    turns = seconds_in_turns([generations, stream, floor], repeats)
    seconds, stream_seconds, product_seconds = zip(*turns, strict=True)
    steps = work.lives * work.workers * work.num_steps
    traffic_seconds = [work.traffic / moved * taken for taken in stream_seconds]
    return [
        subject.reading("generation", "s", seconds),
        subject.reading("env steps", "1/s", [steps / taken for taken in seconds]),
        subject.reading("compile, cold", "s", [generations.compile_seconds]),
        subject.reading("peak memory", "MB", [peak]),
        subject.reading("bandwidth", "GB/s", [moved / taken / 1e9 for taken in stream_seconds]),
        subject.reading("products", "s", product_seconds),
        subject.reading("generation / products", "x", _ratios(seconds, product_seconds)),
        subject.reading("products' speed", "GFLOP/s", [work.flops / 1e9 / taken for taken in product_seconds]),
        subject.reading("traffic", "s", traffic_seconds),
        subject.reading("generation / traffic", "x", _ratios(seconds, traffic_seconds)),
    ]


def _ratios(seconds: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(seconds, others, strict=True)]


def warm_compile(name: str, config: dict[str, Any]) -> list[Reading]:
    """Measure compile time with the cache that an earlier process left.

    Args:
        name: name of the setting.
        config: JSON of its config.

    Returns:
        One reading.
    """
    chosen = TrainConfig.from_json(config)
    subject = Subject("generation", name, settings_of(chosen))
    generations = Generations(chosen, lives_mesh(chosen.run.devices))
    return [subject.reading("compile, warm", "s", [generations.compile_seconds])]


def memory(section: str, name: str, config: dict[str, Any]) -> list[Reading]:
    """Measure the peak memory of two generations in this process.

    Args:
        section: section that the reading belongs to.
        name: name of the setting.
        config: JSON of its config.

    Returns:
        One reading.
    """
    chosen = TrainConfig.from_json(config)
    mesh = lives_mesh(chosen.run.devices)
    generations = Generations(chosen, mesh)
    for _ in range(2):
        jax.block_until_ready(generations())
    return [Subject(section, name, settings_of(chosen)).reading("peak memory", "MB", [peak_megabytes(mesh)])]
