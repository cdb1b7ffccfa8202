"""Generations as programs: the same as the pure function, replicated on every device."""

import jax
import numpy as np
import pytest

from groove.building import build_training
from groove.discovery.generation_programs import GenerationPrograms
from groove.job.devices import everywhere, lives_mesh, replicated
from tests.smallest_run import SMALLEST, stub_populations


@pytest.mark.parametrize(
    "fields",
    [
        {"perturbation": "lowrank:1"},
        {"curriculum": "plr", "buffer": 8},
        {"curriculum": "plr", "buffer": 8, "score": "l1_value_loss"},
    ],
    ids=["low rank", "antagonists", "value losses"],
)
def test_programs_agree_with_the_function_they_are_parts_of(fields, monkeypatch):
    stub_populations(monkeypatch)
    mesh = lives_mesh(2)
    config = SMALLEST.replaced(population=8, **fields)
    training = build_training(config, mesh)
    run_key, start = replicated(mesh, (jax.random.key(1), jax.jit(training.init)(jax.random.key(0))))
    programs, whole = GenerationPrograms(training, run_key, start), jax.jit(training.generation)
    state, expected = start, start
    for _ in range(3):
        state, metrics = programs(run_key, state)
        expected, expected_metrics = whole(run_key, expected)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), metrics, expected_metrics)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), state, expected)
    assert int(state.generation) == 3 and np.isfinite(metrics["fitness_mean"])
    assert {x.sharding for x in jax.tree.leaves((state, metrics))} == {everywhere(mesh)}
