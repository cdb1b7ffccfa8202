"""The published rule masters the probe worlds in which an action decides; its predictions are no values to check."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.building import build_hyperparameters, build_learner
from groove.config import TrainConfig
from levels.world import GymnaxWorld
from lpg.saved_rules import load_rule
from tests.lpg.probe_world import PROBES, ProbeWorld

RULE = Path(__file__).parents[2] / "runs" / "published" / "laptop" / "rule.safetensors"
WORLD = GymnaxWorld(ProbeWorld())
NUM_AGENTS, NUM_UPDATES = 4, 250


@functools.cache
def policies():
    """Policies [agents, S, A] in each probe at the end of life, with the settings of the rule's discovery."""
    rule, meta_params, provenance = load_rule(RULE)
    config = TrainConfig.from_json(provenance["config"])
    learner = build_learner(config, WORLD, rule)
    hyper = build_hyperparameters(config, WORLD)

    def live(key, level):
        init_key, train_key = jax.random.split(key)
        agent = learner.init(init_key, level, hyper, NUM_UPDATES)
        return learner.train(train_key, meta_params, agent, level, NUM_UPDATES).params

    names = ("bandit", "seen", "delayed")
    levels = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(PROBES[name] for name in names))
    keys = jax.random.split(jax.random.key(0), (len(names), NUM_AGENTS))
    params = jax.jit(jax.vmap(jax.vmap(live, in_axes=(0, None))))(keys, levels)
    return dict(zip(names, np.asarray(jax.nn.softmax(params["policy"])), strict=True))


@pytest.mark.parametrize("probe, state, action", [("bandit", 0, 1), ("seen", 0, 0), ("seen", 1, 1), ("delayed", 0, 1)])
def test_discovered_rule_masters_a_probe(probe, state, action):
    assert policies()[probe][:, state, action].min() > 0.95
