"""Build the objects of a run from its config."""

import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from groove.config import TrainConfig
from groove.discovery.curricula import build_curriculum
from groove.discovery.evolution import Evolution
from groove.discovery.measurement import Measurement
from groove.discovery.meta_training import MetaTraining
from groove.discovery.plugin_checks import check_levels, check_rule
from groove.discovery.population import Population
from levels.generators.emptied import Emptied
from levels.generators.solvable import Solvable
from levels.generators.with_lifetime import WithLifetime
from levels.level_folder import level_folder
from levels.level_generator import LevelGenerator
from levels.plugins import is_plugin
from levels.registry import generator
from levels.solver import exact_grid
from levels.world import World
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid
from lpg.baselines import BASELINES
from lpg.learner import Learner
from lpg.rules.lpg import LPG
from lpg.rules.plugin_rule import PluginRule
from lpg.rules.residual import Residual
from lpg.saved_rules import LearnedRule
from lpg.settings import Precision
from lpg.update_rule import Hyperparameters, UpdateRule, passes_of
from lpg.value_losses import ValueProbe
from ued.scores import Need


def build_generator(config: TrainConfig) -> LevelGenerator:
    """Return the distribution of held-out levels, from which a curriculum also starts.

    Args:
        config: its levels, lifetime and solvable fields are read.

    Returns:
        The generator.

    Raises:
        ValueError: unknown levels, or a solvable filter on a world whose objects the level does not place.
    """
    levels = generator(config.world.levels)
    if is_plugin(config.world.levels):
        check_levels(config.world.levels, levels)
    if config.world.solvable and exact_grid(levels.world) is None:
        raise ValueError(f"--solvable needs a grid whose objects the level places, {config.world.levels} is not one")
    if config.world.lifetime is not None:
        levels = WithLifetime(levels, *config.world.lifetime)
    return Solvable(levels) if config.world.solvable else levels


def build_fresh(config: TrainConfig, levels: LevelGenerator) -> LevelGenerator:
    """Return the source of the fresh levels that a curriculum is offered.

    Args:
        config: its curriculum and level_folder fields are read.
        levels: what `build_generator` made.

    Returns:
        The distribution itself, a fixed set of levels, or emptied levels for accel to edit.

    Raises:
        ValueError: the level folder is empty or its levels do not fit the world.
    """
    world = levels.world
    if config.curriculum.level_folder is not None:
        if not isinstance(world, TabularGrid | RandomGrid):
            raise ValueError(f"--level-folder holds grid levels; {config.world.levels} is not a grid")
        fixed: LevelGenerator = level_folder(Path(config.curriculum.level_folder), world)
        return fixed if config.world.lifetime is None else WithLifetime(fixed, *config.world.lifetime)
    return Emptied(levels) if config.curriculum.curriculum == "accel" else levels


def build_rule(config: TrainConfig) -> LearnedRule:
    """Return the rule to discover.

    Args:
        config: its fields of rule and residual, and its precision, are read.

    Returns:
        The rule, without meta-parameters.

    Raises:
        PluginError: the rule is of a user's own, and its file fails or holds no such rule.
    """
    default: Precision = "float32" if jax.default_backend() == "cpu" else "tf32"
    if is_plugin(config.rule.rule):
        return PluginRule(config.rule)
    if config.rule.rule == "residual":
        return Residual(config.residual)
    return LPG(config.rule, config.run.precision or default)


def build_learner(
    config: TrainConfig, world: World, rule: UpdateRule, epochs: int | None = None, minibatches: int | None = None
) -> Learner:
    """Return the learner of a rule in a world; every rule gets the same network, workers and steps.

    Args:
        config: its workers and rollout_length are read.
        world: the world.
        rule: the rule.
        epochs: passes over a rollout in one update; by default those that the rule asks for.
        minibatches: parts of a rollout; each gets a gradient step; by default likewise.

    Returns:
        The learner.
    """
    passes = {"epochs": epochs, "minibatches": minibatches}
    return Learner.for_world(
        world,
        rule,
        num_workers=config.agents.workers,
        rollout_length=config.agents.rollout_length,
        **{name: count for name, count in passes.items() if count is not None},
    )


def build_hyperparameters(config: TrainConfig, world: World, num_descents: int = 1) -> Hyperparameters:
    """Return the agents' learning rates and costs: the config's, or the defaults for the world.

    Args:
        config: its agent fields are read.
        world: the world.
        num_descents: gradient steps in an update, epochs × minibatches.

    Returns:
        Scalars.
    """
    agents = config.agents
    given = Hyperparameters(agents.agent_learning_rate, agents.agent_prediction_learning_rate, kl_cost=agents.kl_cost)
    return given.completed(world, num_descents)


def build_population(
    config: TrainConfig, mesh: Mesh, learner: Learner, value_probe: ValueProbe | None = None
) -> Population:
    """Return the population, which runs lifetimes on the devices.

    Args:
        config: its chunk is read.
        mesh: mesh of the devices.
        learner: trains one agent.
        value_probe: measures value losses, or None.

    Returns:
        The population.
    """
    return Population(learner, mesh, config.run.chunk, value_probe)


def build_measurement(config: TrainConfig, mesh: Mesh, world: World, needs: frozenset[Need]) -> Measurement:
    """Return what measures new levels for a curriculum.

    Args:
        config: its antagonist fields are read; antagonists have the agents' workers and steps.
        mesh: mesh of the devices.
        world: world of the levels.
        needs: what the curriculum's score needs.

    Returns:
        The measurement.

    Raises:
        ValueError: an expert is asked for in a world without an exact solver.
    """
    if "antagonist" in needs and config.antagonist.antagonist == "expert" and exact_grid(world) is None:
        raise ValueError(f"--antagonist expert needs an exact solver, and {config.world.levels} has none")
    # Random actions and the expert train nothing; the learner only provides their world and workers.
    trained = BASELINES[config.antagonist.antagonist if config.antagonist.antagonist in BASELINES else "a2c"]
    learner = build_learner(config, world, trained.rule, trained.epochs, trained.minibatches)
    return Measurement(
        population=build_population(config, mesh, learner),
        hyper=build_hyperparameters(TrainConfig(), world, trained.epochs * trained.minibatches),
        needs=needs,
        settings=config.antagonist,
    )


def build_training(config: TrainConfig, mesh: Mesh) -> MetaTraining:
    """Return everything that a generation is made of.

    Args:
        config: the run's config.
        mesh: mesh of the devices.

    Returns:
        The meta-training.

    Raises:
        ValueError: the config names something unknown or asks for the impossible.
    """
    levels = build_generator(config)
    rule = build_rule(config)
    evolution = Evolution(config.evolution)
    if isinstance(rule, LPG) and levels.world.continuous_actions:
        raise ValueError(
            f"--rule {config.rule.rule} reads probabilities of discrete actions, those of {config.world.levels} are "
            "continuous"
        )
    shapes = jax.eval_shape(rule.init, jax.random.key(0))
    if not jax.tree.leaves(shapes):
        raise ValueError(f"--rule {config.rule.rule} has no meta-parameters, so there is nothing to meta-train")
    # Built first because the strategy decides how many levels a generation has.
    search = evolution.search(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes))
    chosen = build_curriculum(config, levels, evolution.num_groups * config.evolution.levels_per_candidate)
    fresh = build_fresh(config, levels)
    if isinstance(rule, Residual):
        _check_residual(config, rule, fresh)
    learner = build_learner(config, levels.world, rule)
    if isinstance(rule, PluginRule):
        check_rule(config.rule.rule, learner, levels)
    probe = ValueProbe(config.curriculum.value_steps) if "values" in chosen.needs else None
    normalising = None
    if config.evolution.fitness == "normalised":
        normalising = _solved(config, levels.world, "--fitness normalised")
    population = replace(build_population(config, mesh, learner, probe), num_episodes=config.evolution.end_episodes)
    if config.evolution.end_returns == "exact":
        population = replace(population, exact=_solved(config, levels.world, "--end-returns exact"))
    return MetaTraining(
        population=population,
        search=search,
        curriculum=chosen.curriculum,
        measurement=build_measurement(config, mesh, levels.world, chosen.needs),
        generator=fresh,
        hyper=build_hyperparameters(config, levels.world, math.prod(passes_of(rule))),
        levels_per_candidate=config.evolution.levels_per_candidate,
        exact=normalising,
    )


def _check_residual(config: TrainConfig, rule: Residual, fresh: LevelGenerator) -> None:
    """Refuse features that never vary, and rollouts that cannot be split as the base splits them."""
    _, minibatches = passes_of(rule)
    if config.agents.workers * config.agents.rollout_length % minibatches:
        raise ValueError(
            f"--rule residual on {config.residual.base} splits a rollout into {minibatches} minibatches: --workers "
            f"times --rollout-length must be a multiple of {minibatches}, got {config.agents.workers} and "
            f"{config.agents.rollout_length}"
        )
    if rule.reads_novelty and fresh.world.num_observations is None:
        raise ValueError(
            "--features novelty counts visits of observations that are integers, and those of "
            f"{config.world.levels} are not"
        )
    if "log_lifetime" in config.residual.features:
        lifetimes = jax.vmap(fresh.sample)(jax.random.split(jax.random.key(0), 32)).lifetime
        if jnp.all(lifetimes == lifetimes[0]):
            raise ValueError(
                "--features log_lifetime needs lifetimes that vary, such as --lifetime 60 1000; all those of "
                f"{config.curriculum.level_folder or config.world.levels} are {int(lifetimes[0])}"
            )


def _solved(config: TrainConfig, world: World, flag: str) -> TabularGrid:
    """Return the grid that a world's exact solver solves; raise ValueError if it has none, which a flag needs."""
    grid = exact_grid(world)
    if grid is None:
        raise ValueError(
            f"{flag} needs an exact solver, and {config.world.levels} has none; there, give --fitness return "
            "--end-returns sampled"
        )
    return grid
