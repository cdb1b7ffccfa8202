"""The fields of a run's config that may name parts of a user's own, FILE.py:NAME. Imports no JAX."""

from collections.abc import Mapping
from pathlib import Path

from groove.config import TrainConfig
from levels.plugins import absolute, file_sha256, find_again, is_plugin

FIELDS = ("levels", "rule", "curriculum", "score")


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """Return a config that names its plugins and its level folder by absolute paths: it may be resumed from elsewhere.

    Args:
        config: the config of a new run.

    Returns:
        The config.
    """
    paths = {field: absolute(name) for field, name in _plugins(config).items()}
    if config.curriculum.level_folder is not None:
        paths["level_folder"] = str(Path(config.curriculum.level_folder).resolve())
    return config.replaced(**paths)


def plugin_files(config: TrainConfig) -> dict[str, str]:
    """Return the files of a config's plugins with their digests, as runs and rule files record them.

    Args:
        config: a config with absolute paths.

    Returns:
        Path -> SHA-256 as hexadecimal digits.

    Raises:
        PluginError: a file cannot be read.
    """
    return {name.rpartition(":")[0]: file_sha256(name) for name in _plugins(config).values()}


def found_plugins(config: TrainConfig, recorded: Mapping[str, str], beside: Path) -> TrainConfig:
    """Return a recorded config with its plugins where their files are now; warn of files that have changed.

    Args:
        config: the config of a run or of a rule file.
        recorded: `plugin_files` when it was recorded.
        beside: the file that records the config.

    Returns:
        The config.

    Raises:
        PluginError: a file is neither where it was nor beside the file that records it.
    """
    return config.replaced(**{field: find_again(name, recorded, beside) for field, name in _plugins(config).items()})


def _plugins(config: TrainConfig) -> dict[str, str]:
    values = config.flat()
    return {field: values[field] for field in FIELDS if values[field] is not None and is_plugin(values[field])}
