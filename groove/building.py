"""From a config to the objects of a run."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from groove.config import TrainConfig
from groove.evolution import Evolution
from groove.meta_training import MetaTraining
from groove.population import Population
from levels.generator import LevelGenerator
from levels.registry import generator
from levels.solvable import Solvable
from levels.tabular_grid import TabularGrid
from levels.with_lifetime import WithLifetime
from levels.world import World
from lpg.learned import LPG
from lpg.learner import Learner
from lpg.networks import network_for
from lpg.optimizer import Optimizer
from lpg.update_rule import Hyperparameters, UpdateRule
from ued.curriculum import DomainRandomization


def build_generator(config: TrainConfig) -> LevelGenerator:
    """The source of training levels.

    Args:
        config: its levels, lifetime and solvable fields are read.

    Returns:
        The generator.

    Raises:
        ValueError: unknown levels, or a solvable filter on a world whose objects the level does not place.
    """
    levels = generator(config.levels)
    if config.solvable and not isinstance(levels.world, TabularGrid):
        raise ValueError(f"--solvable needs a grid whose objects the level places, {config.levels} is none")
    if config.lifetime is not None:
        levels = WithLifetime(levels, *config.lifetime)
    return Solvable(levels) if config.solvable else levels


def build_rule(config: TrainConfig) -> LPG:
    """The rule to discover.

    Args:
        config: its rule, cell and size fields are read.

    Returns:
        The rule, without meta-parameters.
    """
    return LPG(
        prediction_size=config.prediction_size,
        hidden_size=config.hidden_size,
        embedding_size=config.embedding_size,
        cell=config.cell,
        lifetime_inputs=config.rule == "ta-lpg",
    )


def build_learner(config: TrainConfig, world: World, rule: UpdateRule) -> Learner:
    """What trains agents of a rule in a world; every rule gets the same network, workers and steps.

    Args:
        config: its workers and rollout_length are read.
        world: the world.
        rule: the rule.

    Returns:
        The learner.
    """
    return Learner(
        world=world,
        network=network_for(world.num_observations, world.observation_shape, world.num_actions, rule.prediction_size),
        rule=rule,
        optimizer=Optimizer("sgd" if world.num_observations is not None else "adam"),
        num_workers=config.workers,
        rollout_length=config.rollout_length,
    )


def build_hyperparameters(config: TrainConfig, world: World) -> Hyperparameters:
    """The agents' step sizes: the config's, or GROOVE's for the kind of observation (arXiv:2310.02782).

    Args:
        config: its agent fields are read.
        world: the world.

    Returns:
        Scalars.
    """
    image = len(world.observation_shape) == 3
    default = 40.0 if world.num_observations is not None else 1e-3 if image else 5e-4
    rate = default if config.agent_learning_rate is None else config.agent_learning_rate
    prediction_rate = config.agent_prediction_learning_rate
    return Hyperparameters(
        learning_rate=jnp.float32(rate),
        prediction_learning_rate=jnp.float32(rate / 10 if prediction_rate is None else prediction_rate),
        prediction_cost=jnp.float32(config.prediction_cost),
        entropy_cost=jnp.float32(0.01),
    )


def build_population(config: TrainConfig, mesh: Mesh, learner: Learner) -> Population:
    """What runs lifetimes on the devices.

    Args:
        config: its chunk is read.
        mesh: of the devices.
        learner: trains one agent.

    Returns:
        The population.
    """
    default = 64 if jax.default_backend() == "cpu" else 1024
    return Population(learner, mesh, config.chunk or default)


def build_training(config: TrainConfig, mesh: Mesh) -> MetaTraining:
    """Everything that a generation is made of.

    Args:
        config: of the run.
        mesh: of the devices.

    Returns:
        The meta-training.

    Raises:
        ValueError: the config names something unknown or asks for the impossible.
    """
    levels = build_generator(config)
    rule = build_rule(config)
    shapes = jax.eval_shape(rule.init, jax.random.key(0))
    return MetaTraining(
        population=build_population(config, mesh, build_learner(config, levels.world, rule)),
        search=build_evolution(config).search(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)),
        curriculum=DomainRandomization(),
        generator=levels,
        hyper=build_hyperparameters(config, levels.world),
        levels_per_candidate=config.levels_per_candidate,
    )


def build_evolution(config: TrainConfig) -> Evolution:
    """The meta-optimizer.

    Args:
        config: its es, population, sigma and es_* fields are read.

    Returns:
        The evolution strategy.
    """
    return Evolution(
        strategy=config.es,
        population_size=config.population,
        sigma=config.sigma,
        learning_rate=config.es_learning_rate,
        learning_rate_decay=config.es_learning_rate_decay,
        min_learning_rate=config.es_min_learning_rate,
    )
