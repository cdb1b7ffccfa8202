"""PPO and A2C on gymnax: returns after 5e5 environment steps, all seeds in one program.

    python -m benchmarks.baselines
    python -m benchmarks.baselines --tune --environments CartPole-v1 --rules ppo

Settings were chosen on seeds that are not reported: PPO's from the grid of --tune, A2C's on CartPole from
a wider grid (workers 8 to 64, steps 4 to 16, learning rates 5e-4 to 4e-3, entropy costs 0 to .01, value costs
.05 to .5; up to 10 seeds). On Catch, A2C uses the CartPole settings without tuning.
"""

import argparse
import itertools
import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from groove.discovery.population import Lives, Population
from groove.job.devices import configure, lives_mesh
from levels.world import GymnaxWorld
from lpg.baselines import BASELINES
from lpg.learner import Learner
from lpg.update_rule import Hyperparameters

STEPS = 500_000
"""Environment steps of a life, over all workers."""

TUNING_SEEDS = range(1000, 1006)
"""Seeds of --tune, disjoint from the reported seeds."""


@dataclass(frozen=True)
class Setting:
    """How a rule is run in an environment.

    Attributes:
        num_workers: number of parallel environments.
        rollout_length: steps between updates.
        learning_rate: learning rate of Adam.
        entropy_cost: weight of the policy entropy.
        value_cost: weight of the value loss.
    """

    num_workers: int
    rollout_length: int
    learning_rate: float
    entropy_cost: float
    value_cost: float


SETTINGS = {
    ("CartPole-v1", "ppo"): Setting(8, 128, 1e-3, 0.0, 0.5),
    ("CartPole-v1", "a2c"): Setting(32, 8, 2e-3, 0.003, 0.25),
    ("Catch-bsuite", "ppo"): Setting(8, 128, 1e-3, 0.0, 0.5),
    ("Catch-bsuite", "a2c"): Setting(32, 8, 2e-3, 0.003, 0.25),
}
TARGETS = {"CartPole-v1": 475.0, "Catch-bsuite": 0.95}

SHAPES = {"ppo": ((8, 128), (16, 64)), "a2c": ((16, 8), (32, 8))}
LEARNING_RATES = {"ppo": (5e-4, 1e-3, 3e-3), "a2c": (1e-3, 2e-3)}
ENTROPY_COSTS = {"ppo": (0.0, 0.01), "a2c": (0.0, 0.003)}
VALUE_COSTS = {"ppo": (0.5,), "a2c": (0.25, 0.5)}


def live(environment: str, rule: str, seeds: range, settings: list[Setting]) -> np.ndarray:
    """Train agents with every seed and setting in one program.

    Args:
        environment: gymnax's name of the environment.
        rule: key of BASELINES.
        seeds: seeds of the agents' keys.
        settings: S settings with the same number of workers and steps.

    Returns:
        [S, seeds] mean returns of first episodes at the end of life under the stochastic policy.
    """
    # Imported only after `configure`, because it starts JAX's backend.
    import gymnax

    env, level = gymnax.make(environment)
    world, baseline = GymnaxWorld(env), BASELINES[rule]
    learner = Learner.for_world(
        world,
        baseline.rule,
        num_workers=settings[0].num_workers,
        rollout_length=settings[0].rollout_length,
        epochs=baseline.epochs,
        minibatches=baseline.minibatches,
    )
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    num_lives = len(settings) * len(seeds)

    def of_each(field: str) -> Any:
        return jnp.repeat(jnp.asarray([getattr(setting, field) for setting in settings], jnp.float32), len(seeds))

    hyper = Hyperparameters(
        learning_rate=of_each("learning_rate"),
        value_cost=of_each("value_cost"),
        entropy_cost=of_each("entropy_cost"),
    ).completed(world)
    lives = Lives(
        keys=jnp.tile(keys, len(settings)),
        candidates=None,
        levels=jax.tree.map(lambda x: jnp.broadcast_to(x, (num_lives,)), level),
        lengths=jnp.full(num_lives, STEPS // learner.num_samples, jnp.int32),
        hyper=jax.tree.map(lambda x: jnp.broadcast_to(x, (num_lives,)), hyper),
    )
    population = Population(learner, lives_mesh(None), chunk_size=num_lives)
    return np.asarray(jax.jit(population.live)((), lives).returns).reshape(len(settings), len(seeds))


def tune(environment: str, rule: str) -> None:
    """Print the mean return of every setting over the tuning seeds.

    Args:
        environment: gymnax's name of the environment.
        rule: key of BASELINES.
    """
    for shape in SHAPES[rule]:
        begin = time.perf_counter()
        rest = itertools.product(LEARNING_RATES[rule], ENTROPY_COSTS[rule], VALUE_COSTS[rule])
        settings = [Setting(*shape, *tried) for tried in rest]
        for setting, returns in zip(settings, live(environment, rule, TUNING_SEEDS, settings), strict=True):
            print(f"{environment:13} {rule:4} {returns.mean():7.2f}, worst {returns.min():7.2f}  {setting}")
        print(f"{time.perf_counter() - begin:.0f} s", flush=True)


def report(environment: str, rule: str, num_seeds: int) -> None:
    """Print the mean return over seeds 0, 1, … and its standard error.

    Args:
        environment: gymnax's name of the environment.
        rule: key of BASELINES.
        num_seeds: number of seeds, at least 2.
    """
    setting = SETTINGS[environment, rule]
    begin = time.perf_counter()
    returns = live(environment, rule, range(num_seeds), [setting])[0]
    error = returns.std(ddof=1) / np.sqrt(num_seeds)
    print(
        f"{environment:13} {rule:4} {returns.mean():7.2f} ± {error:.2f} (worst {returns.min():.2f}, "
        f"wanted {TARGETS[environment]:g}, {num_seeds} seeds, {time.perf_counter() - begin:.0f} s)  {setting}",
        flush=True,
    )


def main() -> None:
    """Print the table, or with --tune the results that its settings were chosen from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--rules", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds reported, from 0 on (default 10)")
    parser.add_argument("--tune", action="store_true", help="try a grid of settings on other seeds")
    flags = parser.parse_args()
    configure(None)
    for environment, rule in itertools.product(flags.environments, flags.rules):
        if flags.tune:
            tune(environment, rule)
        else:
            report(environment, rule, flags.seeds)


if __name__ == "__main__":
    main()
