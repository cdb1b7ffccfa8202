"""Meta-training runs to compare: several arms with several meta-seeds, resumable, and the scores of their rules."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groove.config import flag_of
from groove.job.devices import lives_mesh

FINAL_RATE = 0.018
"""Final learning rate of the search as a fraction of its initial value, whatever the number of generations."""

LIFE_SEEDS = 2


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Attributes:
        title: title in the table.
        generations: number of generations of each run.
        flags: config fields in which the arm differs from the experiment `tiny`.
    """

    title: str
    generations: int
    flags: dict[str, Any]


def run_path(folder: Path, arm: str, seed: int) -> Path:
    """Return the folder of one run."""
    return folder / f"{arm}-{seed}"


def meta_train(path: Path, arm: Arm, seed: int) -> None:
    """Train a rule, resuming an unfinished run and skipping a finished one.

    Args:
        path: folder of the run.
        arm: arm to train.
        seed: meta-seed of the run.
    """
    asked = arm.flags | {"generations": arm.generations, "seed": seed}
    if (path / "config.json").is_file():
        config = json.loads((path / "config.json").read_text())["config"]
        if any(config.get(name) != value for name, value in asked.items()):
            raise SystemExit(f"{path}: not a run of this comparison, which has {asked}; choose another --runs")
    if (path / "results.json").is_file():
        return
    if (path / "config.json").is_file():
        command = ["resume", str(path)]
    else:
        decay = FINAL_RATE ** (1 / arm.generations)
        command = ["train", "tiny", "--run", str(path), "--es-learning-rate-decay", f"{decay:.6f}"]
        command += ["--validation-every", "50", "--tune-configurations", "1"]
        for name, value in asked.items():
            command += [flag_of(name), str(value)]
    subprocess.run([sys.executable, "-m", "groove", *command], check=True)


def run_config(folder: Path, arm: str, seed: int = 0) -> Any:
    """Read the config of a run."""
    from groove.config import TrainConfig

    content = json.loads((run_path(folder, arm, seed) / "config.json").read_text())
    return TrainConfig.from_json(content["config"])


def score_arms(folder: Path, arms: list[str], levels: str, level_set: Any, seeds: range) -> dict[str, np.ndarray]:
    """Score agents under the rules of all arms.

    Args:
        folder: folder of all runs.
        arms: names of the arms.
        levels: name of a distribution in the level set's world.
        level_set: held-out or validation levels.
        seeds: meta-seeds of the runs.

    Returns:
        [seeds, levels] normalised scores by arm, each a mean over lives of agents with the arm's learning rates.
    """
    from groove.building import build_hyperparameters, build_learner, build_population, build_rule
    from groove.scoring.heldout import Evaluation, counted
    from levels.registry import generator
    from lpg.saved_rules import load_rule

    config, world = run_config(folder, arms[0]), generator(levels).world
    learner = build_learner(config, world, build_rule(config))
    evaluation = Evaluation(build_population(config, lives_mesh(None), learner))

    def of_run(arm: str, seed: int) -> np.ndarray:
        hyper = build_hyperparameters(run_config(folder, arm, seed), world)
        rule = load_rule(run_path(folder, arm, seed) / "rule.safetensors")[1]
        lives = [evaluation.returns(rule, level_set, hyper, life) for life in range(LIFE_SEEDS)]
        return level_set.normalised(np.mean(counted(evaluation, level_set, np.stack(lives)), axis=0))

    return {arm: np.stack([of_run(arm, seed) for seed in seeds]) for arm in arms}
