"""The quality of `tiny` with low-rank perturbations, bfloat16 products or other learning rates of the agents.

Each arm meta-trains a rule on `small` with every meta-seed and scores its agents on validation levels, because defaults
are chosen by it. An arm is done when its runs are finished; if called again, the comparison continues where it stopped.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meta_runs import Arm, meta_train, run_path, score_arms
from groove.job.devices import configure
from groove.scoring.intervals import ENDS, bracketed, of_aggregate, of_mean
from groove.scoring.statistics import iqm
from groove.scoring.units import Units

GENERATIONS, NUM_LEVELS = 200, 128

OPTIONS = {
    "full": {"perturbation": "full", "precision": "float32"},
    "lowrank:1": {"perturbation": "lowrank:1", "precision": "float32"},
    "lowrank:4": {"perturbation": "lowrank:4", "precision": "float32"},
    "bfloat16": {"perturbation": "full", "precision": "bfloat16"},
    "rate-40": {"perturbation": "full", "precision": "float32", "agent_learning_rate": 40.0},
    "rate-250": {"perturbation": "full", "precision": "float32", "agent_learning_rate": 250.0},
}
"""Arms by name: cheaper searches, and other learning rates of the agents than the 100 of `tiny`."""

ARMS = {name: Arm(name, GENERATIONS, {"curriculum": "dr", **flags}) for name, flags in OPTIONS.items()}


def summarise(scores: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return a row per arm: IQM and the mean minus the default's, with intervals."""
    units = Units.separate(drawn=True, num_tasks=scores["full"].shape[1])
    return [
        {
            "arm": arm,
            "meta_seeds": values.shape[0],
            "levels": values.shape[1],
            "mean": float(np.mean(values)),
            "iqm": dict(zip(ENDS, of_aggregate(values[:, None], iqm, units), strict=True)),
            "mean_less_full": dict(zip(ENDS, of_mean((values - scores["full"])[:, None], units), strict=True)),
        }
        for arm, values in scores.items()
    ]


def main() -> None:
    """Train what is missing, score it, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/search-options"), help="folder of the runs")
    parser.add_argument("--meta-seeds", type=int, default=3, help="number of runs of each arm")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="arms to compare, full among them")
    flags = parser.parse_args()
    if "full" not in flags.arms:
        parser.error(f"--arms must contain full, with which the others are compared, got {' '.join(flags.arms)}")
    if flags.meta_seeds < 1:
        parser.error(f"--meta-seeds must be >= 1, got {flags.meta_seeds}")
    for seed in range(flags.meta_seeds):
        for name in flags.arms:
            meta_train(run_path(flags.runs, name, seed), ARMS[name], seed)
    configure(None)
    from groove.scoring.heldout import VALIDATION_STREAM, draw_level_set
    from levels.registry import generator

    validation = draw_level_set(generator("small"), VALIDATION_STREAM, NUM_LEVELS)
    scores = score_arms(flags.runs, flags.arms, "small", validation, range(flags.meta_seeds))
    rows = summarise(scores)
    (flags.runs / "options.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n")
    for row in rows:
        quality, gain = (
            bracketed(list(row[name].values()), sign) for name, sign in (("iqm", ""), ("mean_less_full", "+"))
        )
        print(f"{row['arm']:10s} IQM {quality}  mean minus the default's {gain}")


if __name__ == "__main__":
    main()
