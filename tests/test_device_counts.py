"""One run on 1 and on 4 devices."""

import json
import subprocess
import sys

import pytest

from tests.job_processes import LIMIT
from tests.smallest_run import SMALLEST

ON_DEVICES = """
import json, sys
from groove.job.devices import configure

configure(4)

import jax
from groove.building import build_training
from groove.config import TrainConfig
from groove.job.devices import lives_mesh, replicated
from groove.discovery.generation_programs import GenerationPrograms
from groove.scoring.heldout import HELDOUT_STREAM, Evaluation, draw_level_set

config = TrainConfig.from_json(json.loads(sys.argv[1]))
for num_devices in (1, 4):
    mesh = lives_mesh(num_devices)
    training = build_training(config, mesh)
    key, state = replicated(mesh, (jax.random.key(0), jax.jit(training.init)(jax.random.key(1))))
    advance, rows = GenerationPrograms(training, key, state), []
    for _ in range(config.run.generations):
        state, metrics = advance(key, state)
        rows.append({name: float(value) for name, value in metrics.items()})
    heldout = draw_level_set(training.generator, HELDOUT_STREAM, config.run.heldout_levels)
    returns = Evaluation(training.population).returns(training.search.mean(state.search), heldout, training.hyper)
    print(json.dumps([rows, returns.tolist()]))
"""
"""Generations and held-out returns of a config on 1 and on 4 CPU devices, a line each."""


@pytest.mark.slow
def test_number_of_devices_changes_no_fitness_and_no_heldout_return():
    # Two chunks of two lives on each of four devices.
    config = SMALLEST.replaced(population=16, heldout_levels=16, chunk=2, generations=3)
    command = [sys.executable, "-c", ON_DEVICES, json.dumps(config.to_json())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode == 0, ended.stderr
    one, four = map(json.loads, ended.stdout.splitlines())
    for row in one[0] + four[0]:
        # Updates run past the end of a life, because a chunk is as long as its longest life.
        del row["updates_run"]
    assert any(one[1]) and four[1] == one[1]
    assert four[0] == [pytest.approx(row, abs=1e-5, nan_ok=True) for row in one[0]]
