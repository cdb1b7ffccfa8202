"""Versions recorded by runs and experiments."""

from importlib.metadata import version

from groove import __version__


def recorded_versions(*packages: str) -> dict[str, str]:
    """Return the version of this project and of installed packages.

    Args:
        packages: names of distributions.

    Returns:
        Name -> version; this project's version comes first, under "groove".

    Raises:
        importlib.metadata.PackageNotFoundError: a package is not installed.
    """
    return {"groove": __version__, **{package: version(package) for package in packages}}
