"""The folder of one run: the paths of its files."""

from pathlib import Path
from typing import Self

from groove.records.json_file import RunFolderError
from groove.records.locked_folder import LockedFolder
from lpg.shipped_rules import RULE_NAME

GROUP_NAME = "group.json"
"""File that makes a folder that of a group of runs."""


class RunFolder(LockedFolder):
    """`runs/NAME/` of one run.

    Attributes:
        config_path: resolved configuration, versions, seed, devices (JSON).
        metrics_path: metrics of each generation, without wall-clock values (JSON lines).
        timing_path: seconds and steps per second of each generation (JSON lines).
        checkpoints_path: folder of the resumable states.
        history_path: folder of the snapshots of the buffer of its curriculum.
        rule_path: the rule to share.
        best_path: the rule with the highest score on the validation levels so far, if the run keeps that one.
        picture_path: what a residual rule does (PNG).
        events_path: folder of TensorBoard events.
        curriculum_path: folder of pictures of the curriculum (`groove curriculum`).
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self.timing_path = self.path / "timing.jsonl"
        self.checkpoints_path = self.path / "checkpoints"
        self.history_path = self.path / "history"
        self.rule_path = self.path / RULE_NAME
        self.best_path = self.path / "best.safetensors"
        self.picture_path = self.path / "rule.png"
        self.events_path = self.path / "events"
        self.curriculum_path = self.path / "curriculum"

    def check(self) -> Self:
        """Refuse a folder that is not a run's, also one that holds several; see `LockedFolder.check`."""
        if (self.path / GROUP_NAME).is_file():
            runs = ", ".join(sorted(str(path) for path in self.path.glob("seed-*")))
            raise RunFolderError(f"{self.path}: a group of runs; name one of them: {runs}")
        return super().check()
