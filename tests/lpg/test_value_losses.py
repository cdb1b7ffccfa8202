"""Value losses: by hand on the smallest worlds, and against a restatement in plain Python."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from levels.world import GymnaxWorld
from lpg.episodes import recorded_episodes
from lpg.value_losses import RIDGE, ValueProbe
from tests.lpg.probe_world import NUM_ACTIONS, PROBES, ProbeWorld, probe

NUM_WORKERS = 16
VALUE_PROBE = ValueProbe(max_steps=20)

MAZE = probe(
    [(0, 0, 1, 0.5), (0, 1, 2, -1.0), (1, 0, None, 3.0), (1, 1, 0, 0.0), (2, None, 3, 0.25), (3, 0, None, 1.0)],
    num_starts=2,
    max_steps=23,
)
"""Episodes of many lengths, some cut by the limit, some longer than 20 steps."""


class VectorWorld(ProbeWorld):
    """Its observation is an array: the number of the state, its square, and useless noise."""

    def _seen(self, at):
        return jnp.stack([at, at * at]).astype(jnp.float32).reshape(2, 1)

    def reset_env(self, key, params):
        at, state = super().reset_env(key, params)
        return self._seen(at), state

    def step_env(self, key, state, action, params):
        at, *rest = super().step_env(key, state, action, params)
        return self._seen(at), *rest

    def observation_space(self, params=None):
        return spaces.Box(0, 16, (2, 1))


WORLDS = {"table": GymnaxWorld(ProbeWorld()), "vector": GymnaxWorld(VectorWorld())}


def acting(logits):
    """Return a policy that ignores the observation."""
    return lambda observation: jnp.broadcast_to(logits, (observation.shape[0], NUM_ACTIONS))


@functools.cache
def program(world, gae_lambda=VALUE_PROBE.gae_lambda):
    """Compiled (key, level, logits) -> value losses and the episodes they are of."""
    value_probe = ValueProbe(VALUE_PROBE.max_steps, gae_lambda)

    def run(key, level, logits):
        losses = value_probe(key, WORLDS[world], level, acting(logits), NUM_WORKERS)
        return losses, recorded_episodes(key, WORLDS[world], level, acting(logits), NUM_WORKERS, value_probe.max_steps)

    return jax.jit(run)


def measured(level, world="table", gae_lambda=VALUE_PROBE.gae_lambda, logits=(0.0, 0.0), seed=0):
    losses, episodes = program(world, gae_lambda)(jax.random.key(seed), level, jnp.asarray(logits))
    return (float(losses.positive), float(losses.absolute), float(losses.mean_value)), episodes


def restated(episodes, world, gae_lambda):
    """Value losses step by step, episode by episode."""
    rollout = jax.tree.map(np.asarray, episodes.rollout)
    steps = {}
    for b in range(NUM_WORKERS):
        if episodes.complete[b]:
            end = int(np.flatnonzero(rollout.terminated[:, b] | rollout.truncated[:, b])[0])
            steps[b] = range(end + 1)
    returns = {(t, b): sum(rollout.reward[s, b] for s in steps[b] if s >= t) for b in steps for t in steps[b]}
    if world == "table":
        seen = {}
        for (t, b), total in returns.items():
            seen.setdefault(int(rollout.observation[t, b]), []).append(total)

        def value(observation):
            return np.mean(seen[int(observation)])
    else:
        features = np.asarray([[*rollout.observation[t, b].ravel(), 1.0] for t, b in returns], np.float64)
        gram = features.T @ features / len(features) + RIDGE * np.eye(3)
        weights = np.linalg.solve(gram, features.T @ np.asarray(list(returns.values())) / len(features))

        def value(observation):
            return float(np.asarray([*observation.ravel(), 1.0]) @ weights)

    means = []
    for b, lived in steps.items():
        advantage, advantages, values = 0.0, [], []
        for t in reversed(lived):
            later = 0.0 if t == lived[-1] else value(rollout.next_observation[t, b])
            values.append(value(rollout.observation[t, b]))
            advantage = rollout.reward[t, b] + later - values[-1] + gae_lambda * advantage
            advantages.append(advantage)
        means.append((np.mean(np.maximum(advantages, 0)), np.mean(np.abs(advantages)), np.mean(values)))
    return np.mean(means, axis=0)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("gae_lambda", [0.95, 0.0])
def test_value_losses_agree_with_a_restatement(world, gae_lambda):
    for seed in range(3):
        found, episodes = measured(MAZE, world, gae_lambda, logits=np.log([0.15, 0.85]), seed=seed)
        np.testing.assert_allclose(found, restated(episodes, world, gae_lambda), rtol=1e-3, atol=1e-4)
        lengths = np.asarray(episodes.lived.sum(axis=0))
        assert 0 < np.sum(~episodes.complete) < NUM_WORKERS and len(np.unique(lengths)) > 3
        assert found[1] >= found[0] > 0.01


def test_a_return_that_is_certain_costs_nothing():
    found, _ = measured(PROBES["chain"])
    np.testing.assert_allclose(found, [0, 0, 1], atol=1e-6)


def test_losses_of_a_bandit_are_those_of_a_coin():
    # With share p of the arm that pays, V = p: |GAE| has mean 2 p (1 − p), and its positive part has half of that.
    found, episodes = measured(PROBES["bandit"])
    share = np.mean(np.asarray(episodes.rollout.reward)[0])
    assert 0 < share < 1
    np.testing.assert_allclose(found, [share * (1 - share), 2 * share * (1 - share), share], rtol=1e-5)


def test_end_by_the_time_limit_is_worth_nothing_by_hand():
    # Three steps of 1, all from one state: returns 3, 2, 1, so V = 2; δ = 1, 1, −1 and A = 1.0475, .05, −1.
    found, _ = measured(PROBES["endless"])
    np.testing.assert_allclose(found, [1.0975 / 3, 2.0975 / 3, 2], rtol=1e-5)


def test_with_a_trace_of_one_the_advantage_is_return_minus_value():
    # Returns 3, 2, 1 minus V = 2.
    found, _ = measured(PROBES["endless"], gae_lambda=1.0)
    np.testing.assert_allclose(found, [1 / 3, 2 / 3, 2], rtol=1e-5)


@pytest.mark.parametrize("world", WORLDS)
def test_without_a_complete_episode_there_are_no_losses(world):
    found, _ = measured(probe([(0, None, 0, 1.0)], max_steps=10**6), world)
    assert np.all(np.isnan(found))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_steps": 0}, "max_steps must be >= 1, got 0"),
        ({"max_steps": 5, "gae_lambda": 1.5}, r"gae_lambda must be in \[0, 1\], got 1.5"),
    ],
)
def test_value_probe_names_the_number_out_of_range(fields, message):
    with pytest.raises(ValueError, match=f"^ValueProbe.{message}$"):
        ValueProbe(**fields)
