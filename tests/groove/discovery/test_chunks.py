"""Default chunks: bounded by a core's cache on CPU, by an accelerator's memory elsewhere."""

from dataclasses import dataclass
from types import SimpleNamespace

import jax
import pytest

from groove.building import build_hyperparameters, build_learner, build_rule
from groove.config import TrainConfig
from groove.discovery.chunks import bytes_of_life, default_chunk
from levels.registry import generator
from lpg.learner import Learner


@dataclass(frozen=True)
class Life:
    """The learner, rule and level of one life."""

    learner: Learner
    meta_params: object
    level: object


def life(**numbers):
    config = TrainConfig.of(hidden_size=64, **numbers)
    levels = generator("small")
    learner = build_learner(config, levels.world, build_rule(config))
    key = jax.random.key(0)
    return Life(learner, jax.eval_shape(learner.rule.init, key), jax.eval_shape(levels.sample, key))


def chunk_of(one):
    return default_chunk(one.learner, one.meta_params, one.level)


@pytest.mark.parametrize(("workers", "chunk"), [(16, 8), (64, 2), (128, 1), (1000, 1)])
def test_chunk_on_cpu_holds_128_workers(workers, chunk):
    assert chunk_of(life(workers=workers)) == chunk


def test_chunk_elsewhere_fills_half_the_memory(monkeypatch):
    one = life(workers=16)
    size = bytes_of_life(one.learner, one.meta_params, one.level)

    def on_accelerator(stats):
        device = SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
        monkeypatch.setattr(jax, "local_devices", lambda: [device])
        return chunk_of(one)

    assert on_accelerator({"bytes_limit": 20 * size + 1}) == 8
    assert on_accelerator({"bytes_limit": 1}) == 1
    assert on_accelerator({"bytes_limit": 10**6 * size}) == on_accelerator(None) == on_accelerator({}) == 1024


def test_bytes_of_a_life_bound_what_its_update_takes():
    one = life(workers=16)
    hyper = build_hyperparameters(TrainConfig(), one.learner.world)

    def update(key, meta_params, level):
        agent = one.learner.init(key, level, hyper, 1)
        return one.learner.update(key, meta_params, agent, level)

    memory = jax.jit(update).lower(jax.random.key(0), one.meta_params, one.level).compile().memory_analysis()
    taken = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    assert taken <= bytes_of_life(one.learner, one.meta_params, one.level) <= 10 * taken


def test_bytes_of_a_life_grow_with_workers():
    few, many = (bytes_of_life(one.learner, one.meta_params, one.level) for one in (life(workers=8), life(workers=64)))
    assert 4 < many / few < 8
