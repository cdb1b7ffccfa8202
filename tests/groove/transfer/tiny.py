"""Environments, rules and settings small enough to run in a moment."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
from gymnax.environments import spaces
from gymnax.environments.bsuite.catch import Catch

from groove.config import TrainConfig
from groove.job.devices import lives_mesh
from groove.records.group_folder import GroupFolder
from groove.transfer.environments import of_generator, of_world
from groove.transfer.runner import Runner, Setting
from levels.registry import generator
from levels.world import GymnaxWorld
from lpg.rules.lpg import LPG
from lpg.saved_rules import save_rule
from lpg.settings import RuleSettings

SETTING = Setting(num_seeds=2, num_points=2)
SHAPE = {"workers": 4, "rollout_length": 5}
CONFIG = TrainConfig.of(hidden_size=2, embedding_size=2, prediction_size=2, **SHAPE)
NUM_STEPS = 200
"""Ten updates of four workers' five steps."""
NUM_EPISODES = 7
"""Episodes of Catch in an evaluation, other than the number of workers."""


class Press(Catch):
    """Catch that pays for the action 1, so that all rules soon beat random actions."""

    def step_env(self, key, state, action, params):
        observation, state, _, ended, more = super().step_env(key, state, action, params)
        return observation, state, jnp.float32(action == 1), ended, more


class Coin(Catch):
    """Catch that pays +1 or −1 at random at each of its steps, whatever the action."""

    def step_env(self, key, state, action, params):
        observation, state, _, ended, more = super().step_env(key, state, action, params)
        return observation, state, jax.random.rademacher(key, (), jnp.float32), ended, more


CATCH = Press(rows=4, columns=3)


class Slide(Catch):
    """Catch with a float as its action: left below 0, right above."""

    def step_env(self, key, state, action, params):
        return super().step_env(key, state, jnp.where(action[0] < 0, 0, 2), params)

    def action_space(self, params=None):
        del params
        return spaces.Box(-1.0, 1.0, (1,))


@cache
def catch(name="catch", suite="own", num_steps=NUM_STEPS):
    """Catch; its worlds all compare equal."""
    made = of_world(suite, name, GymnaxWorld(CATCH), CATCH.default_params, num_steps)
    return dataclasses.replace(made, episodes=NUM_EPISODES, **SHAPE)


@cache
def coin(episodes):
    """An environment of nothing but noise, measured over a number of episodes; the variance of a return is 3."""
    env = Coin(rows=4, columns=3)
    made = of_world("own", "coin", GymnaxWorld(env), env.default_params, NUM_STEPS)
    return dataclasses.replace(made, episodes=episodes, **SHAPE)


@cache
def slide():
    """The same with continuous actions."""
    env = Slide(rows=4, columns=3)
    return dataclasses.replace(of_world("own", "slide", GymnaxWorld(env), env.default_params, NUM_STEPS), **SHAPE)


@cache
def grid(every_level=True):
    """Two solved grid levels, for five updates."""
    drawn = of_generator("own", "small", generator("small"), 2)
    return dataclasses.replace(drawn, every_level=every_level, **SHAPE).at_lifetime(0.02)


@cache
def initial(rule, seed):
    """Meta-parameters, computed once for all tests."""
    return jax.jit(rule.init)(jax.random.key(seed))


def save(path, seed=0, generations=CONFIG.run.generations, run_seed=0, shape=SHAPE):
    """Write a rule file of a run with agents of a shape; different seeds give different rules."""
    rule = LPG(RuleSettings(prediction_size=2, hidden_size=2, embedding_size=2))
    meta_params = jax.tree.map(lambda x: 3 * x, initial(rule, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    provenance = {"config": CONFIG.replaced(seed=run_seed, **shape).to_json(), "generations": generations}
    save_rule(path, rule, meta_params, provenance)
    return path


def save_group(path, seeds):
    """Write the folder of a finished group, with its rules alone."""
    with GroupFolder.create(path) as folder:
        folder.write_config({"seeds": list(seeds), "config": CONFIG.to_json()})
    for seed in seeds:
        save(folder.run(seed).rule_path, seed, run_seed=seed)
    return path


@cache
def runner(setting=SETTING, chunk=4, num_devices=1):
    """A runner that keeps its compiled programs for all tests."""
    return Runner(setting, lives_mesh(num_devices), chunk)


class Listener:
    """Passes lives on to a runner and counts them by rule."""

    def __init__(self, inner):
        self.inner, self.lived = inner, {}

    def num_lives(self, environments):
        return self.inner.num_lives(environments)

    def run(self, environments, contestants, done):
        for batch in self.inner.run(environments, contestants, done):
            name = contestants[0].name
            self.lived[name] = self.lived.get(name, 0) + len({row.run for row in batch.rows})
            yield batch
