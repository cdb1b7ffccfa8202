"""The folder of a group of runs that differ in their seed alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groove.config import TrainConfig
from groove.records.json_file import RunFolderError
from groove.records.locked_folder import LockedFolder
from groove.records.run_folder import GROUP_NAME, RunFolder
from levels.plugins import is_plugin

GROUP_VERSION = 1


class GroupFolder(LockedFolder):
    """`runs/NAME/` of one group, with the folder of each run in it: `seed-0/`, `seed-1/` …

    Attributes:
        config_path: the seeds, and the config that the runs share (JSON).
    """

    kind = "group"
    config_name = GROUP_NAME

    @staticmethod
    def is_group(path: Path | str) -> bool:
        """Return whether a folder is that of a group.

        Args:
            path: the folder, which need not exist.
        """
        return (Path(path) / GROUP_NAME).is_file()

    def run(self, seed: int) -> RunFolder:
        """Return the folder of a run.

        Args:
            seed: its seed.
        """
        return RunFolder(self.path / f"seed-{seed}")

    def write_config(self, config: dict[str, Any]) -> None:
        """Write `group.json` atomically.

        Args:
            config: the seeds, and what the runs' `config.json` have in common; the seed of its config is left out.

        Raises:
            RunFolderError: the file cannot be written.
        """
        shared = {name: value for name, value in config["config"].items() if name != "seed"}
        super().write_config({"format_version": GROUP_VERSION} | config | {"config": shared})

    def read_config(self) -> dict[str, Any]:
        """Read `group.json`.

        Returns:
            What `write_config` took; the config has the first seed.

        Raises:
            RunFolderError: the file cannot be read, is not that of a group, or is of a newer version.
        """
        content = super().read_config()
        version, seeds, config = (content.get(name) for name in ("format_version", "seeds", "config"))
        if version != GROUP_VERSION:
            raise RunFolderError(f"{self.config_path}: format_version must be {GROUP_VERSION}, got {version}")
        if not isinstance(seeds, list) or not isinstance(config, dict):
            raise RunFolderError(f"{self.config_path}: must hold a list of seeds and a config")
        try:
            check_seeds(seeds)
        except ValueError as error:
            raise RunFolderError(f"{self.config_path}: {error}") from error
        return content | {"config": config | {"seed": seeds[0]}}

    def refuse_stranger(self, path: Path, found: TrainConfig, wanted: TrainConfig) -> None:
        """Refuse a run or a rule that is not of this group: whose config differs from its seed's in the group.

        Args:
            path: the run's folder or the rule's file, for the message.
            found: its config; devices and generations may differ, which `groove resume` may change.
            wanted: config of its seed in the group.

        Raises:
            RunFolderError: it is not of this group.
        """
        theirs, ours = found.flat(), wanted.flat()
        differing = [
            name
            for name in ours
            if name not in ("devices", "generations") and _unmoved(theirs[name]) != _unmoved(ours[name])
        ]
        if differing:
            raise RunFolderError(f"{path}: not of the group {self.path}, whose {', '.join(differing)} differ")


def _unmoved(value: Any) -> Any:
    """Return a value without the folder of a plugin, whose file may have moved."""
    return Path(value).name if isinstance(value, str) and is_plugin(value) else value


def check_seeds(seeds: Sequence[Any]) -> None:
    """Refuse seeds that make no group.

    Args:
        seeds: the seeds.

    Raises:
        ValueError: there are fewer than two, one is repeated, or one is out of range.
    """
    if len(seeds) < 2:
        raise ValueError(f"--seeds must be two or more, got {len(seeds)}; --seed trains a single run")
    for position, seed in enumerate(seeds):
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise ValueError(f"--seeds must be integers in 0..{2**32 - 1}, got {seed!r}")
        if seed in seeds[:position]:
            raise ValueError(f"--seeds must be different, got {seed} more than once")
