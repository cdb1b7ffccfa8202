"""A user's own environments, from a Python file or by their name in another library."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from groove.transfer.environments import Environment, Torso, of_world
from groove.transfer.suites import CLASSIC_STEPS
from levels.world import GymnaxWorld, World
from levels.worlds.random_grid import RandomGrid

TABLE, STEPS = "ENVIRONMENTS", "NUM_STEPS"


def suite_of_file(path: Path) -> list[Environment]:
    """Run a Python file and return its environments, as a suite named after it.

    The file assigns ENVIRONMENTS, a dict whose keys are names and whose values are gymnax environments (an object or
    its class), pairs (environment, params), pairs (levels.world.World, level), or names such as
    "gymnasium:CartPole-v1". It may assign NUM_STEPS, environment steps per life, 500,000 by default.

    Args:
        path: path of the file.

    Returns:
        The file's environments.

    Raises:
        ValueError: the file is missing, fails, or assigns something else; the message names the file and the entry.
    """
    spec = importlib.util.spec_from_file_location(f"groove_environments_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
    table, num_steps = getattr(module, TABLE, None), getattr(module, STEPS, CLASSIC_STEPS)
    if not isinstance(table, dict) or not table:
        raise ValueError(f"{path}: must assign {TABLE}, a dict of environments by name")
    if not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(f"{path}: {STEPS} must be an integer >= 1, got {num_steps!r}")
    environments = []
    for name, value in table.items():
        try:
            world, level = _world(value)
            environments.append(of_world(path.stem, str(name), world, level, num_steps, _torso(world)))
        except Exception as error:
            raise ValueError(f"{path}: {TABLE}[{name!r}]: {error}") from error
    return environments


def suite_of_name(name: str) -> list[Environment]:
    """Build a suite of one environment from another library.

    Args:
        name: LIBRARY:ENVIRONMENT, such as gymnax:Pong-misc, gymnasium:CartPole-v1 or brax:ant.

    Returns:
        The environment, with lives of 500,000 steps.

    Raises:
        ValueError: the library or the environment is unknown, or the library is not installed.
    """
    world, level = _named(name)
    return [of_world(name, name.partition(":")[2], world, level, CLASSIC_STEPS, _torso(world))]


def _torso(world: World) -> Torso:
    """Return the torso: images of other libraries are [H, W, planes], those of our own grids [planes, H, W]."""
    return "minatar" if len(world.observation_shape) == 3 and not isinstance(world, RandomGrid) else "standard"


def _world(value: Any) -> tuple[World, Any]:
    if isinstance(value, str):
        return _named(value)
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


def _named(name: str) -> tuple[World, Any]:
    library, _, environment = name.partition(":")
    if library == "gymnax":
        import gymnax

        if environment not in gymnax.registered_envs:
            raise ValueError(f"unknown gymnax environment {environment!r}; known: {', '.join(gymnax.registered_envs)}")
        env, params = gymnax.make(environment)
        return GymnaxWorld(env), params
    from levels.libraries import library_environment

    return library_environment(name)
