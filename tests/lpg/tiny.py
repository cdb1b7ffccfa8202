"""Learners small enough to compile in a moment. Each program is compiled once for all tests."""

import functools

import jax
import jax.numpy as jnp

from levels.worlds.gridworld import GridWorld
from levels.worlds.tabular_grid import TabularGrid
from lpg.learner import Learner
from lpg.rollout import Rollout
from lpg.rules.actor_critic import A2C, REINFORCE
from lpg.rules.lpg import LPG
from lpg.rules.ppo import DPO, PPO
from lpg.rules.residual import Residual
from lpg.settings import RESIDUAL_FEATURES, RESIDUAL_OUTPUTS, ResidualSettings, RuleSettings
from lpg.update_rule import Hyperparameters, Progress

WORLD = TabularGrid(3, 3, 1)
"""18 integer observations, 5 actions."""

NUM_WORKERS, NUM_STEPS = 4, 6

SMALL = {"prediction_size": 3, "hidden_size": 5, "embedding_size": 4}
FEATURES = tuple(name for name in RESIDUAL_FEATURES if name not in ("remaining", "novelty"))
"""Features that go together and need nothing that rollouts lack."""

RULES = {
    "lpg": LPG(RuleSettings(**SMALL)),
    "ta_lpg": LPG(RuleSettings("ta-lpg", **SMALL)),
    "lstm": LPG(RuleSettings(cell="lstm", **SMALL)),
    "scale_free": LPG(RuleSettings("ta-lpg", scale_free=True, **SMALL)),
    "a2c": A2C(),
    "reinforce": REINFORCE(),
    "ppo": PPO(),
    "dpo": DPO(),
    "residual": Residual(
        ResidualSettings(
            "ppo", tuple(x for x in RESIDUAL_FEATURES if x not in ("remaining", "novelty")), tuple(RESIDUAL_OUTPUTS)
        )
    ),
    "recurrent": Residual(ResidualSettings("dpo", size="recurrent", units=3, classes=3)),
}
"""Every rule; a new one is added here and then runs through the contract tests."""

LEARNED = ("lpg", "ta_lpg", "lstm", "scale_free")


def level(max_steps=5):
    """One object in the far corner, worth 1, ends the episode."""
    return GridWorld(WORLD).default_params.replace(max_steps_in_episode=jnp.int32(max_steps))


def hyper(learning_rate=4.0, prediction_learning_rate=2.0, **costs):
    return Hyperparameters(learning_rate, prediction_learning_rate, **costs).completed(WORLD)


def progress(fraction=0.25, log_lifetime=2.0):
    return Progress(fraction=jnp.float32(fraction), log_lifetime=jnp.float32(log_lifetime))


def learner_of(rule, num_workers=NUM_WORKERS, rollout_length=NUM_STEPS, epochs=1, minibatches=1):
    sizes = {"num_workers": num_workers, "rollout_length": rollout_length, "epochs": epochs, "minibatches": minibatches}
    return Learner.for_world(WORLD, rule, **sizes)


@functools.cache
def learner(name):
    return learner_of(RULES[name])


@functools.cache
def update(name):
    """Compiled (key, meta_params, agent, plan) -> agent, rollout, metrics."""
    return jax.jit(learner(name).update)


@functools.cache
def train(name):
    """Compiled (key, meta_params, agent, level, num_updates) -> agent."""
    return jax.jit(learner(name).train)


@functools.cache
def _init_rule(name):
    return jax.jit(RULES[name].init)


@functools.cache
def meta_params(name, seed=7):
    return _init_rule(name)(jax.random.key(seed))


@functools.cache
def _init(name):
    return jax.jit(learner(name).init)


def agent(name, seed=0, lifetime=10):
    """An agent with random parameters, so that none of its gradients is zero by symmetry."""
    init_key, params_key = jax.random.split(jax.random.key(seed))
    born = _init(name)(init_key, level(), hyper(), jnp.int32(lifetime))
    keys = dict(zip(born.params, jax.random.split(params_key, len(born.params)), strict=True))
    return born.replace(params={group: jax.random.normal(keys[group], x.shape) for group, x in born.params.items()})


def rollout(num_steps=4, num_workers=3, num_actions=2, seed=0, done=None):
    """A made-up rollout; `done` [T, B] says where episodes terminate, nowhere by default."""
    reward_key, action_key = jax.random.split(jax.random.key(seed))
    shape = (num_steps, num_workers)
    ended = jnp.zeros(shape, bool) if done is None else jnp.asarray(done, bool)
    return Rollout(
        observation=jnp.zeros(shape, jnp.int32),
        action=jax.random.randint(action_key, shape, 0, num_actions, jnp.int32),
        reward=jax.random.normal(reward_key, shape),
        terminated=ended,
        truncated=jnp.zeros(shape, bool),
        next_observation=jnp.zeros(shape, jnp.int32),
    )
