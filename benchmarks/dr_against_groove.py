"""Domain randomisation against GROOVE's curriculum at equal environment steps: `make compare`.

Each arm meta-trains a rule with every meta-seed and scores its agents on held-out levels. An arm is
done when its runs are finished; if called again, the comparison continues where it stopped.
"""

import argparse
import csv
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meta_runs import Arm, meta_train, run_path, score_arms
from groove.job.devices import configure
from groove.records.json_lines import JsonLines
from groove.records.run_folder import RunFolder
from groove.scoring.intervals import ENDS, bracketed, number, of_aggregate, of_mean
from groove.scoring.statistics import cvar, iqm
from groove.scoring.units import Units

BUFFER = 400
"""Levels kept; replay starts after 13 generations of 16 new levels."""


# A generation of 64 candidates takes 64 lives on 32 levels. GROOVE adds two antagonists on each of 16 new
# levels, 32 lives, so two thirds of the generations take as many steps in total. Replays add no antagonists, whose
# number would depend on the levels.
ARMS = {
    "dr": Arm("DR", 300, {"curriculum": "dr"}),
    "groove": Arm(
        "GROOVE, as many steps in all as DR",
        200,
        # The last is the default, but older runs, whose batches ignored the score, have no such field.
        {"curriculum": "plr", "buffer": BUFFER, "antagonist_max_seeds": 2, "score_uncertainty": "lower_bound"},
    ),
    "dr_short": Arm("DR, as many agents' steps as GROOVE", 200, {"curriculum": "dr"}),
}
SUITES = {"small": 128, "medium": 64, "mazes": 44}


def suites() -> dict[str, Any]:
    """Draw held-out levels by suite, solved exactly: each set with a seed of its own, read by this comparison alone."""
    from groove.scoring.heldout import HELDOUT_STREAM, draw_level_set, joined
    from levels.registry import GENERATORS, generator

    mazes = [name for name in GENERATORS if name.startswith("maze_")]

    def drawn(name: str, num_levels: int) -> Any:
        # The runs' own closing tables have seed 0.
        return draw_level_set(generator(name), HELDOUT_STREAM, num_levels, zlib.crc32(f"compare/{name}".encode()))

    single = {name: drawn(name, num_levels) for name, num_levels in SUITES.items() if name != "mazes"}
    return single | {"mazes": joined([drawn(name, SUITES["mazes"] // len(mazes)) for name in mazes])}


def env_steps(folder: Path, arm: str) -> tuple[int, int]:
    """Read the steps of agents and of antagonists in the first run of an arm."""
    row = JsonLines(RunFolder(run_path(folder, arm, 0)).metrics_path).rows()[-1]
    return row["env_steps"], row["antagonist_env_steps"]


def summarise(folder: Path, scores: dict[str, dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """Return a row per suite and arm: IQM and mean minus DR's with intervals, CVaR(10%), and the steps."""
    rows = []
    for suite, by_arm in scores.items():
        for arm, values in by_arm.items():
            units = Units.separate(drawn=True, num_tasks=values.shape[1])
            agents, antagonists = env_steps(folder, arm)
            rows.append(
                {
                    "suite": suite,
                    "arm": ARMS[arm].title,
                    "meta_seeds": values.shape[0],
                    "levels": values.shape[1],
                    "env_steps": agents,
                    "antagonist_env_steps": antagonists,
                    "iqm": dict(zip(ENDS, of_aggregate(values[:, None], iqm, units), strict=True)),
                    # A bootstrap of the worst tenth would cover the truth too rarely to be printed.
                    "cvar_10": {"estimate": number(float(cvar(values.ravel())))},
                    "mean_less_dr": dict(zip(ENDS, of_mean((values - by_arm["dr"])[:, None], units), strict=True)),
                }
            )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """Format the rows as a table for a README."""
    lines = [
        "| suite | curriculum | agents' + antagonists' steps | IQM [95%] | CVaR(10%) [95%] | mean minus DR's [95%] |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        figures = [bracketed(list(row[name].values())) for name in ("iqm", "cvar_10", "mean_less_dr")]
        steps = f"{row['env_steps'] / 1e6:.0f}M + {row['antagonist_env_steps'] / 1e6:.0f}M"
        lines.append(f"| {row['suite']} | {row['arm']} | {steps} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, score it, write the table and the raw scores, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder of the table and the scores")
    parser.add_argument("--meta-seeds", type=int, default=5, help="number of runs of each arm")
    flags = parser.parse_args()
    if flags.meta_seeds < 1:
        parser.error(f"--meta-seeds must be >= 1, got {flags.meta_seeds}")
    seeds = range(flags.meta_seeds)
    for seed in seeds:
        for arm in ARMS:
            meta_train(run_path(flags.runs, arm, seed), ARMS[arm], seed)
    configure(None)
    scores = {
        suite: score_arms(flags.runs, list(ARMS), "maze_four_rooms" if suite == "mazes" else suite, level_set, seeds)
        for suite, level_set in suites().items()
    }
    rows = summarise(flags.runs, scores)
    flags.out.mkdir(parents=True, exist_ok=True)
    (flags.out / "comparison.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n")
    with (flags.out / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["suite", "arm", "meta_seed", "level", "score"])
        for suite, by_arm in scores.items():
            for arm, values in by_arm.items():
                for (seed, level), score in np.ndenumerate(values):
                    writer.writerow([suite, arm, seed, level, f"{score:.6f}"])
    print(markdown(rows))


if __name__ == "__main__":
    main()
