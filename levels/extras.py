"""The optional dependencies of this project."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "groove-rl"
"""Name of the distribution that holds groove, lpg, ued and levels."""


def install_hint(extra: str, package: str) -> str:
    """Return the command that installs what an extra requires.

    It names the libraries rather than the extra, so it works the same from a clone, a wheel or an index. It names
    this interpreter, so its environment need not be activated.

    Args:
        extra: key of pyproject.toml's optional dependencies.
        package: package to install if this project itself is not installed.

    Returns:
        One line, such as "/home/me/env/bin/python -m pip install 'brax<0.15,>=0.14.2'".
    """
    try:
        declared = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # imported from a source tree that was never installed
        declared = []
    marked = (requirement.partition(";") for requirement in declared)
    wanted = [name.strip() for name, _, marker in marked if marker.replace("'", '"').strip() == f'extra == "{extra}"']
    return shlex.join([sys.executable, "-m", "pip", "install"]) + "".join(f" '{name}'" for name in wanted or [package])
