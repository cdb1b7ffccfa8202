"""Suites by name: ours, a user's own, and single environments of other libraries."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from groove.transfer.environments import Environment, Torso, of_world
from groove.transfer.suites import CLASSIC_STEPS, SUITES, Suite, suite_key
from levels.near_names import unknown
from levels.plugins import described, file_sha256, is_plugin, load_object, plugin_module
from levels.world import GymnaxWorld, World
from levels.worlds.random_grid import RandomGrid

STEPS = "NUM_STEPS"


def named_suites(names: Iterable[str], level_seed: int = 0) -> dict[str, Suite]:
    """Return suites by the names that tables show.

    Args:
        names: as for `find_suite`.
        level_seed: seed of their levels, 0 for the frozen suites.

    Returns:
        Label -> suite.

    Raises:
        ValueError: as for `find_suite`, or two suites have the same name.
    """
    suites: dict[str, Suite] = {}
    for name in dict.fromkeys(names):
        own, suite = find_suite(name)
        shown = suite.label(own, level_seed)
        if shown in suites:
            raise ValueError(f"{name}: another suite is called {shown}, too; give one of them another name")
        suites[shown] = suite
    return suites


def find_suite(name: str) -> tuple[str, Suite]:
    """Return a suite and the name that tables show for it.

    Args:
        name: key of SUITES, with its version or without; LIBRARY:ENVIRONMENT, such as gymnax:Pong-misc,
            gymnasium:CartPole-v1 or brax:ant, for lives of 500,000 steps; or FILE.py:NAME of a `Suite` or of a dict of
            environments by name. The dict's values are gymnax environments (an object or its class), pairs
            (environment, params), pairs (levels.world.World, level), or LIBRARY:ENVIRONMENT. The file may assign
            NUM_STEPS, environment steps per life, 500,000 by default.

    Returns:
        The name without version, for a user's own suite NAME, and the suite.

    Raises:
        ValueError: the name is unknown, the library is not installed, or the file fails or holds something else.
    """
    if is_plugin(name):
        return name.rpartition(":")[2], _own_suite(name)
    if ":" not in name:
        key = suite_key(name)
        return key, SUITES[key]
    world, level = _of_library(name)
    environment = of_world(name, name.partition(":")[2], world, level, CLASSIC_STEPS, _torso(world))
    return name, Suite(name, lambda _: [environment])


def _own_suite(name: str) -> Suite:
    own, sha256 = load_object(name, "a suite", SUITES), file_sha256(name)
    if isinstance(own, Suite):
        validation = own.build_validation
        return Suite(
            own.about,
            partial(_built, name, sha256, own.build),
            None if validation is None else partial(_built, name, sha256, validation),
        )
    if not isinstance(own, dict) or not own:
        raise ValueError(f"{name} must be a Suite or a dict of environments by name, got a {type(own).__name__}")
    num_steps = getattr(plugin_module(name), STEPS, CLASSIC_STEPS)
    if not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(f"{name}: {STEPS} must be an integer >= 1, got {num_steps!r}")
    return Suite(name, partial(_built, name, sha256, partial(_of_table, name, own, num_steps)))


def _built(name: str, sha256: str, build: Callable[[str], list[Environment]], suite: str) -> list[Environment]:
    """Build a user's environments, whose fingerprints include the file that defines them."""
    try:
        environments = build(suite)
        return [replace(environment, source_sha256=sha256) for environment in environments]
    except Exception as error:
        raise ValueError(f"{name}: {described(error)}") from error


def _of_table(name: str, table: dict[Any, Any], num_steps: int, suite: str) -> list[Environment]:
    environments = []
    for key, value in table.items():
        try:
            world, level = _world(value)
            environments.append(of_world(suite, str(key), world, level, num_steps, _torso(world)))
        except Exception as error:
            raise ValueError(f"[{key!r}] {error}") from error
    return environments


def _torso(world: World) -> Torso:
    """Return the torso: images of other libraries are [H, W, planes], those of our own grids [planes, H, W]."""
    return "minatar" if len(world.observation_shape) == 3 and not isinstance(world, RandomGrid) else "standard"


def _world(value: Any) -> tuple[World, Any]:
    if isinstance(value, str):
        return _of_library(value)
    paired = isinstance(value, tuple) and len(value) == 2
    first, level = value if paired else (value, None)
    env = first() if isinstance(first, type) else first
    if hasattr(env, "step_env") and hasattr(env, "default_params"):
        return GymnaxWorld(env), level if paired else env.default_params
    if paired and hasattr(env, "plan") and hasattr(env, "observe"):
        return env, level
    raise ValueError(
        f"must be a gymnax environment, a pair (environment, params), a pair (World, level) or a name such as "
        f"'gymnasium:CartPole-v1', got {type(value).__name__}"
    )


def _of_library(name: str) -> tuple[World, Any]:
    library, _, environment = name.partition(":")
    if library == "gymnax":
        import gymnax

        if environment not in gymnax.registered_envs:
            raise ValueError(unknown("gymnax environment", environment, gymnax.registered_envs))
        env, params = gymnax.make(environment)
        return GymnaxWorld(env), params
    from levels.libraries import library_environment

    return library_environment(name)
