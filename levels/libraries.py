"""Environments of other libraries by name. Importing this does not load JAX; libraries and adapters load on use."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from levels.extras import install_hint
from levels.near_names import unknown

if TYPE_CHECKING:
    from jaxtyping import PyTree

    from levels.world import World


class Library(NamedTuple):
    """Where a library's environments come from."""

    adapter: str
    """Module with `environment(name) -> tuple[World, level]`."""
    module: str
    """Name that the library is imported by."""
    extra: str
    """Extra of this project that installs it."""


LIBRARIES: dict[str, Library] = {
    "pgx": Library("levels.worlds.adapters.pgx", "pgx", "pgx"),
    "xminigrid": Library("levels.worlds.adapters.xminigrid", "xminigrid", "xminigrid"),
    "navix": Library("levels.worlds.adapters.navix", "navix", "navix"),
    "jumanji": Library("levels.worlds.adapters.jumanji", "jumanji", "jumanji"),
    "craftax": Library("levels.worlds.adapters.craftax", "craftax", "craftax"),
    "brax": Library("levels.worlds.adapters.brax", "brax", "brax"),
    "gymnasium": Library("levels.worlds.gymnasium_world", "gymnasium", "gymnasium"),
}
"""Adapter, import name and extra of each library."""


@cache
def library_environment(name: str) -> tuple[World, PyTree]:
    """Load an environment of another library and the level that it is played on.

    Each name is loaded only once, because worlds hash by identity and a second one would be compiled again.

    Args:
        name: library and environment, such as "brax:ant".

    Returns:
        The world and its level.

    Raises:
        ValueError: the library or environment is unknown, or the library is not installed or cannot be imported.
    """
    library, colon, env_name = name.partition(":")
    if not colon:
        raise ValueError(f"the name of an environment must be library:environment, such as brax:ant, got {name!r}")
    if library not in LIBRARIES:
        raise ValueError(unknown("library", library, LIBRARIES))
    adapter, module, extra = LIBRARIES[library]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise ValueError(f"{name} needs {module}, which cannot be imported: {error}") from error
        raise ValueError(f"{name} needs {module}, which is not installed: {install_hint(extra, module)}") from None
    except ImportError as error:
        raise ValueError(f"{name} needs {module}, which cannot be imported: {error}") from error
    return importlib.import_module(adapter).environment(env_name)
