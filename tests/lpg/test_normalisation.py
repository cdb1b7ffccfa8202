"""Normalised observations and rewards: statistics against NumPy, and what they must not change."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.learner import Learner
from lpg.normalisation import Moments, Normalisation
from lpg.rules.actor_critic import A2C
from lpg.rules.ppo import PPO
from tests.lpg import tiny

NUM_WORKERS, NUM_STEPS, EPISODE = 4, 6, 5
PLAIN = {"scale": jnp.float32(1), "shift": jnp.float32(0)}
SCALED = {"scale": jnp.float32(10), "shift": jnp.float32(-300)}


@dataclass(frozen=True)
class Line:
    """A point drawn on a line, to be hit by the action; a level says how both observation and reward are scaled."""

    num_actions = 1
    continuous_actions = True
    observation_shape = (2,)
    num_observations = None

    def plan(self, level):
        return level

    def noise(self, key, plan, shape):
        del plan
        return jax.random.normal(key, (*shape, 2))

    def reset(self, noise, plan):
        del plan
        return {"at": noise, "time": jnp.int32(0)}

    def step(self, noise, plan, state, action):
        reward = -plan["scale"] * (state["at"][0] - action[0]) ** 2
        over = state["time"] + 1 == EPISODE
        # Episodes of some points end early, by termination.
        return {"at": noise, "time": state["time"] + 1}, reward, ~over & (state["at"][1] > 1), over

    def observe(self, plan, state):
        return plan["scale"] * state["at"] * jnp.array([1.0, 3.0]) + plan["shift"]


@functools.cache
def learner(rule=None, **settings):
    return Learner.for_world(Line(), rule or PPO(), num_workers=NUM_WORKERS, rollout_length=NUM_STEPS, **settings)


@functools.cache
def programs():
    return jax.jit(learner().init), jax.jit(learner().update), jax.jit(learner().evaluate, static_argnums=3)


def lived(level, num_updates=3):
    """All agents of a short life, newborn first, and their rollouts."""
    init, update, _ = programs()
    agents, rollouts = [init(jax.random.key(0), level, tiny.hyper(learning_rate=1e-2), jnp.int32(9))], []
    for number in range(num_updates):
        agent, rollout, _ = update(jax.random.key(number), (), agents[-1], level)
        agents.append(agent)
        rollouts.append(rollout)
    return agents, jax.tree.map(np.asarray, rollouts)


def test_moments_of_merged_batches_are_those_of_all_values():
    values = np.random.default_rng(0).normal(50.0, [1.0, 20.0], (300, 2)).astype(np.float32)
    moments = Moments(count=jnp.float32(0), mean=jnp.zeros(2), squares=jnp.zeros(2))
    for start, end in ((0, 1), (1, 40), (40, 300)):
        moments = moments.merged(Moments.of(jnp.asarray(values[start:end])))
    assert moments.count == 300
    np.testing.assert_allclose(moments.mean, values.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, values.var(axis=0, dtype=float), rtol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.3, -4321.1])
def test_what_has_been_constant_keeps_its_scale(constant):
    # All workers start at one point, as after most resets. Of a step of .5 the network must not see the limit of 10.
    still = jnp.full((7, 2), constant, jnp.float32)
    seen = Normalisation.at_birth(still).observation(still + jnp.array([0.5, 0.0]))
    np.testing.assert_allclose(seen, [[0.5, 0.0]] * 7, atol=1e-3)
    assert Moments.of(jnp.array([constant, constant + 2])).scale == pytest.approx(1.0, rel=1e-3)
    assert Moments.of(jnp.array([constant, constant + 6])).scale == pytest.approx(3.0, rel=1e-3)


def test_agents_keep_the_moments_of_what_they_have_seen():
    agents, rollouts = lived(PLAIN)
    ends = [rollout.terminated | rollout.truncated for rollout in rollouts]
    assert np.any([rollout.terminated for rollout in rollouts]) and np.any([rollout.truncated for rollout in rollouts])
    # The first observations count twice: at birth, and as the first of the first rollout.
    seen, returns, running = [rollouts[0].observation[0]], [], np.zeros(NUM_WORKERS)
    for before, after, rollout, dones in zip(agents[:-1], agents[1:], rollouts, ends, strict=True):
        np.testing.assert_allclose(before.normalisation.observations.mean, np.concatenate(seen).mean(axis=0), atol=1e-5)
        seen.append(rollout.observation.reshape(-1, 2))
        for reward, done in zip(rollout.reward, dones, strict=True):
            running = 0.99 * running + reward
            returns.append(running)
            running = np.where(done, 0.0, running)
        found = after.normalisation
        np.testing.assert_allclose(found.observations.variance, np.concatenate(seen).var(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.returns.variance, np.var(returns), rtol=1e-5)
        np.testing.assert_allclose(found.discounted, running, rtol=1e-5)
        assert found.observations.count == len(np.concatenate(seen)) and found.returns.count == np.size(returns)


def test_agents_learn_from_normalised_rollouts_and_report_those_of_the_world():
    agents, rollouts = lived(PLAIN)
    statistics, rollout = agents[1].normalisation, rollouts[1]
    later, seen = statistics.after(jax.tree.map(jnp.asarray, rollout), 0.99)
    mean, deviation = statistics.observations.mean, np.sqrt(statistics.observations.variance)
    for name in ("observation", "next_observation"):
        expected = np.clip((getattr(rollout, name) - mean) / deviation, -10, 10)
        np.testing.assert_allclose(getattr(seen, name), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.reward, rollout.reward / np.sqrt(later.returns.variance), rtol=1e-5)
    np.testing.assert_array_equal(seen.action, rollout.action)
    assert jnp.abs(statistics.observation(jnp.full(2, 1e6))).max() == 10
    # What the world made: an observation whose second component has three times the spread of the first.
    assert 2 < np.std(rollout.observation[..., 1]) / np.std(rollout.observation[..., 0]) < 4.5
    assert rollout.reward.max() <= 0 and rollout.reward.min() < -1
    # Acting sees the same as learning.
    logits = learner().policy(agents[1])(jnp.asarray(rollout.observation[0]))
    np.testing.assert_allclose(
        logits, learner().network.apply(agents[1].params, seen.observation[0]).logits, rtol=1e-5, atol=1e-6
    )


def test_scales_and_offsets_of_a_world_do_not_change_what_agents_learn():
    plain, scaled = lived(PLAIN), lived(SCALED)
    np.testing.assert_allclose(scaled[1][2].reward, 10 * plain[1][2].reward, rtol=1e-2, atol=1e-3)
    newborn, left, right = (jax.tree.leaves(agent.params) for agent in (plain[0][0], plain[0][3], scaled[0][3]))
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-3), left, right)
    assert max(np.abs(new - old).max() for new, old in zip(left, newborn, strict=True)) > 0.02


def test_evaluation_returns_are_those_of_the_world():
    agents, _ = lived(PLAIN)
    evaluate, key = programs()[2], jax.random.key(5)
    returns = evaluate(key, agents[3], PLAIN, 20)
    # The same agent in a world with ten times the reward.
    blown_up = agents[3].normalisation.observations
    moments = blown_up.replace(mean=10 * blown_up.mean - 300, squares=100 * blown_up.squares)
    stranger = agents[3].replace(normalisation=agents[3].normalisation.replace(observations=moments))
    np.testing.assert_allclose(evaluate(key, stranger, SCALED, 20), 10 * returns, rtol=1e-3)
    assert (returns < 0).all()


def test_only_agents_with_continuous_actions_and_vectors_normalise():
    assert learner().normalised and learner(A2C()).normalised and not tiny.learner("a2c").normalised
    assert tiny.agent("a2c").normalisation is None
    bare = learner(normalised=False)
    agent = jax.eval_shape(lambda key: bare.init(key, PLAIN, lifetime=1), jax.random.key(0))
    assert agent.normalisation is None
    with pytest.raises(ValueError, match=r"^Learner.normalised must be False where observations are integers, got"):
        Learner.for_world(tiny.WORLD, A2C(), normalised=True)
