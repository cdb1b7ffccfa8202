"""The suites that rules are tested on. They are frozen, and used neither to tune nor to choose a rule."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from groove.errors import UsageError, choose

if TYPE_CHECKING:
    from groove.transfer.environments import Environment

VERSION = 2
"""Version of all suites. In version 1 the environments of a suite shared their draws, so that all mazes had the same
objects, and agents had the workers and steps of the first rule's discovery; in version 2 these depend on the kind of
observation."""

LIFETIMES = (0.25, 1.0, 4.0)
"""Multiples of an environment's own lifetime, for suites that test how rules cope with longer and shorter lives."""

NUM_HELDOUT_LEVELS, NUM_VALIDATION_LEVELS = 128, 32

NUM_DRAWS = 8
"""Levels drawn from each named world, maze or chain, with other objects, starts or lengths; seeds take them in turn."""

LARGEST_NOISE = 0.05
"""Upper bound of the standard error that noise of single episodes leaves in the score of an agent, where a suite asks
for more episodes than usual."""

DEEP_SEA_SIZES = (8, 14, 20, 30)
MINATAR_GAMES = ("Asterix", "Breakout", "Freeway", "SpaceInvaders")
CLASSIC_STEPS, MINATAR_STEPS = 500_000, 1_000_000
"""Environment steps per life."""


@dataclass(frozen=True)
class Suite:
    """Environments to test on, and others to tune learning rates on.

    Attributes:
        about: one line that describes the suite.
        build: function from the suite's name, as `label` returns it, to its environments.
        build_validation: function from the suite's name to other environments of the same kinds, None if there are
            none.
        version: version of the suite; another one has other levels, budgets or seeds. None for a user's own.
    """

    about: str
    build: "Callable[[str], list[Environment]]"
    build_validation: "Callable[[str], list[Environment]] | None" = None
    version: int | None = None

    def label(self, name: str, level_seed: int = 0) -> str:
        """Return the name in results, which tells apart what must never be pooled.

        Every label has its own levels, where they are drawn, and its own agents.

        Args:
            name: the suite's key in SUITES, or NAME of a user's own.
            level_seed: seed of the levels, 0 for the frozen suite.

        Returns:
            Such as "mazes@2", or "mazes@2#7" with levels of seed 7.
        """
        version = "" if self.version is None else f"@{self.version}"
        return f"{name}{version}" + (f"#{level_seed}" if level_seed else "")


def _grid_heldout(suite: str) -> "list[Environment]":
    from groove.transfer.environments import of_generator
    from levels.registry import generator

    names = ("small", "medium", "large")
    drawn = [of_generator(suite, name, generator(name), NUM_HELDOUT_LEVELS) for name in names]
    return [replace(environment, every_level=True) for environment in drawn]


def _named(suite: str, *prefixes: str) -> "list[Environment]":
    from groove.transfer.environments import of_generator
    from levels.registry import GENERATORS, generator

    names = [name for name in GENERATORS if name.startswith(prefixes)]
    own = [of_generator(suite, name, generator(name), NUM_DRAWS) for name in names]
    return [environment.at_lifetime(factor) for factor in LIFETIMES for environment in own]


def _grid_classic(suite: str) -> "list[Environment]":
    return _named(suite, "tabular_", "random_")


def _mazes(suite: str) -> "list[Environment]":
    return _named(suite, "maze_")


def _literature_mazes(suite: str) -> "list[Environment]":
    from groove.transfer.environments import of_generator
    from levels.generators.literature_mazes import literature_maze, literature_maze_names

    own = [of_generator(suite, name, literature_maze(name), NUM_DRAWS) for name in literature_maze_names()]
    return [environment.at_lifetime(factor) for factor in LIFETIMES for environment in own]


def _maze_validation(suite: str) -> "list[Environment]":
    return _validation_levels(suite, "medium", "large")


def _chains(suite: str) -> "list[Environment]":
    import numpy as np

    # The first action alone decides between −1 and +1; rewards along the way are 0 on average.
    random, optimum = np.zeros(NUM_DRAWS, np.float32), np.ones(NUM_DRAWS, np.float32)
    return [_measured_chain(replace(chain, random=random, optimum=optimum)) for chain in _named(suite, "chain_")]


def _chain_validation(suite: str) -> "list[Environment]":
    own = [*_validation_levels(suite, "chain_short", "chain_long_noisy"), _short(suite, "chain_distractor")]
    return [_measured_chain(chain) for chain in own]


def _measured_chain(environment: "Environment") -> "Environment":
    # The last reward is ±1, and so is in a noisy chain every one but the first, of as many as the longest chain has.
    chain = environment.world.env  # type: ignore[attr-defined]
    return _measured(environment, 1.0 + (chain.max_length - 2 if chain.noisy else 0), gain=1.0)


def _measured(environment: "Environment", variance: float, gain: float) -> "Environment":
    """Ask for enough episodes to keep the standard error of an agent's score below LARGEST_NOISE.

    Args:
        environment: the environment.
        variance: largest variance of an episode's return over all policies, (largest − smallest return)² / 4 if the
            agent alone decides.
        gain: R* − R_random.

    Returns:
        The environment, with a multiple of its number of episodes.
    """
    rounds = math.ceil(variance / (LARGEST_NOISE * gain) ** 2 / environment.episodes)
    return replace(environment, episodes=rounds * environment.episodes)


def _validation_levels(suite: str, *names: str) -> "list[Environment]":
    from groove.scoring.heldout import VALIDATION_STREAM
    from groove.transfer.environments import of_generator
    from levels.registry import generator

    drawn = [of_generator(suite, name, generator(name), NUM_VALIDATION_LEVELS, VALIDATION_STREAM) for name in names]
    return [replace(environment, every_level=True) for environment in drawn]


def _short(suite: str, name: str) -> "Environment":
    """Build validation levels of a named world at a quarter of its lifetime; longer lives are too slow to search."""
    return _validation_levels(suite, name)[0].at_lifetime(LIFETIMES[0])


def _gymnax(suite: str, env: Any, name: str, num_steps: int, torso: Any = "standard", **params: Any) -> "Environment":
    from groove.transfer.environments import of_world
    from levels.world import GymnaxWorld

    return of_world(suite, name, GymnaxWorld(env), env.default_params.replace(**params), num_steps, torso)


def _classic(suite: str) -> "list[Environment]":
    from gymnax.environments.classic_control import acrobot, cartpole, mountain_car

    kinds = {"CartPole": cartpole.CartPole, "Acrobot": acrobot.Acrobot, "MountainCar": mountain_car.MountainCar}
    return [_gymnax(suite, kind(), name, CLASSIC_STEPS) for name, kind in kinds.items()]


def _classic_validation(suite: str) -> "list[Environment]":
    from gymnax.environments.classic_control import acrobot, cartpole

    return [
        _gymnax(suite, cartpole.CartPole(), "CartPole, long pole", CLASSIC_STEPS, length=1.0),
        _gymnax(suite, acrobot.Acrobot(), "Acrobot, light links", CLASSIC_STEPS, link_mass_1=0.7, link_mass_2=0.7),
    ]


def _known(environment: "Environment", random: float, optimum: float, variance: float) -> "Environment":
    import numpy as np

    low, high = (np.full(1, anchor, np.float32) for anchor in (random, optimum))
    return _measured(replace(environment, random=low, optimum=high), variance, optimum - random)


def _bsuite(suite: str) -> "list[Environment]":
    """Build bsuite's environments with exact anchors from their definitions; PPO solves too few to set a scale."""
    from gymnax.environments.bsuite import catch, deep_sea, discounting_chain, umbrella_chain

    # The ball falls in a random one of five columns, whatever the paddle does; nine moves reach every column. A return
    # of ±1 has a variance of at most 1.
    own = [_known(_gymnax(suite, catch.Catch(), "Catch", CLASSIC_STEPS), -0.6, 1.0, variance=1.0)]
    for size in DEEP_SEA_SIZES:
        sea = _gymnax(suite, deep_sea.DeepSea(size), f"DeepSea {size}", CLASSIC_STEPS)
        # A step right costs .01 / size. Random actions go right half the time; the treasure of 1 takes every step.
        own.append(_known(sea, 0.5**size - 0.005, 1 - 0.01, variance=0.25))
    chain = _gymnax(suite, discounting_chain.DiscountingChain(), "DiscountingChain", CLASSIC_STEPS)
    umbrella = _gymnax(suite, umbrella_chain.UmbrellaChain(), "UmbrellaChain", CLASSIC_STEPS)
    # One of five chains pays 1.1, the others 1. The last of the umbrella's ten steps pays ±1 for what the first chose;
    # each of the nine before it pays ±1 at random, with a variance of 1.
    return [*own, _known(chain, 1.02, 1.1, variance=0.05**2), _known(umbrella, 0.0, 1.0, variance=10.0)]


def _bsuite_validation(suite: str) -> "list[Environment]":
    from gymnax.environments.bsuite import catch, deep_sea, discounting_chain, umbrella_chain

    chain = discounting_chain.DiscountingChain(mapping_seed=1)
    umbrella = _gymnax(suite, umbrella_chain.UmbrellaChain(5), "UmbrellaChain, distractors", CLASSIC_STEPS)
    return [
        _gymnax(suite, catch.Catch(rows=8, columns=7), "Catch 8 x 7", CLASSIC_STEPS),
        _gymnax(suite, deep_sea.DeepSea(10), "DeepSea 10", CLASSIC_STEPS),
        _gymnax(suite, chain, "DiscountingChain, mapping 1", CLASSIC_STEPS),
        _measured(umbrella, variance=10.0, gain=1.0),
    ]


def _minatar_games(suite: str, torso: str, num_steps: int, minimal: bool) -> "list[Environment]":
    from gymnax.environments.minatar import asterix, breakout, freeway, space_invaders

    kinds = (asterix.MinAsterix, breakout.MinBreakout, freeway.MinFreeway, space_invaders.MinSpaceInvaders)
    games = zip(MINATAR_GAMES, kinds, strict=True)
    return [_gymnax(suite, kind(minimal), name, num_steps, torso) for name, kind in games]


def _minatar(suite: str) -> "list[Environment]":
    return _minatar_games(suite, "minatar", MINATAR_STEPS, minimal=True)


def _minatar_long(suite: str) -> "list[Environment]":
    return _minatar_games(suite, "minatar", 10 * MINATAR_STEPS, minimal=True)


def _minatar_dense(suite: str) -> "list[Environment]":
    return _minatar_games(suite, "dense", MINATAR_STEPS, minimal=True)


def _minatar_validation(suite: str, torso: str = "minatar") -> "list[Environment]":
    """Build two of the games with actions that have no effect; no other games of this kind are as fast."""
    return _minatar_games(suite, torso, MINATAR_STEPS // 4, minimal=False)[:2]


_SUITES: dict[str, Suite] = {
    "grid-heldout": Suite(
        "128 unseen solvable levels each of small, medium and large",
        _grid_heldout,
        lambda suite: _validation_levels(suite, "small", "medium"),
    ),
    "grid-classic": Suite(
        "LPG's five tabular and five random grid worlds, at lifetime x 1/4, 1 and 4",
        _grid_classic,
        lambda suite: [*_validation_levels(suite, "small", "medium"), _short(suite, "random_small")],
    ),
    "chains": Suite(
        "LPG's five delayed chains, at lifetime x 1/4, 1 and 4",
        _chains,
        _chain_validation,
    ),
    "mazes": Suite("eleven mazes, at lifetime x 1/4, 1 and 4", _mazes, _maze_validation),
    "mazes-literature": Suite(
        "the mazes of the UED literature, read from jaxued if it is installed",
        _literature_mazes,
        _maze_validation,
    ),
    "classic": Suite("CartPole, Acrobot, MountainCar: 5e5 steps", _classic, _classic_validation),
    "bsuite": Suite("Catch, DeepSea 8-30, DiscountingChain, UmbrellaChain: 5e5 steps", _bsuite, _bsuite_validation),
    "minatar": Suite("Asterix, Breakout, Freeway, SpaceInvaders: 1e6 steps, conv", _minatar, _minatar_validation),
    "minatar-dense": Suite(
        "the same games with a dense 64-64 torso", _minatar_dense, partial(_minatar_validation, torso="dense")
    ),
    "minatar-1e7": Suite("the same games and conv torso, 1e7 steps", _minatar_long, _minatar_validation),
}

SUITES = {name: replace(suite, version=VERSION) for name, suite in _SUITES.items()}
"""Suites by name. A changed environment, level or budget makes a new version; a test pins their fingerprints."""


def suite_key(name: str) -> str:
    """Return the key of a suite that may be named with its version.

    Args:
        name: such as "mazes" or "mazes@2".

    Returns:
        Key of SUITES.

    Raises:
        UsageError: there is no such suite, or it has another version.
    """
    key, at, _ = name.partition("@")
    choose("suite", key, SUITES)
    label = SUITES[key].label(key)
    if at and name != label:
        raise UsageError(
            f"--suite {name}: this version of groove has {label}; results of two versions cannot be pooled"
        )
    return key
