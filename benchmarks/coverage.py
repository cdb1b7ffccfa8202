"""Simulate how often 95% intervals cover the truth: `python -m benchmarks.coverage`.

Scores are sums of normal parts, each of which dominates in turn: one for each meta-seed (rule file), one for each unit
(a drawn level, or a seed of a fixed task), and one for each run. Fixed tasks and distributions of levels may have means
of their own, symmetric about 0. The truth is 0, or ½ for P(rule better). The other side of P(rule better) and of the
difference is a single rule file on the same units. Takes about fifteen minutes on one core.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from benchmarks.tables import Rows
from groove.scoring.intervals import Ends, of_aggregate, of_difference, of_improvement, of_mean
from groove.scoring.statistics import iqm
from groove.scoring.units import Units

SPREADS = {
    "meta-seeds": (1.0, 0.1, 0.1),
    "units": (0.1, 1.0, 0.1),
    "runs": (0.1, 0.1, 1.0),
    "all alike": (1.0, 1.0, 1.0),
}
"""Standard deviations of the parts of meta-seeds, units and runs, by which of them dominates."""

FIGURES = ("mean", "IQM", "P(rule better)", "difference of IQMs")
WIDTH = "width of mean, 99%"
NORMAL_95 = 1.96
"""Half the width of a 95% interval of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Design:
    """An experiment to simulate.

    Attributes:
        meta_seeds: number of rule files M.
        drawn: whether the tasks are drawn levels.
        tasks: number of fixed tasks, or of levels drawn from each distribution.
        seeds: number of agents S on each task.
        shared: whether a seed is one draw in all fixed tasks together.
        distributions: number of distributions that levels are drawn from.
        gap: distance between the means of neighbouring fixed tasks or distributions.
    """

    meta_seeds: int
    drawn: bool
    tasks: int
    seeds: int
    shared: bool = False
    distributions: int = 1
    gap: float = 0.0

    @property
    def title(self) -> str:
        """What the experiment consists of, in words."""
        files = "1 rule file" if self.meta_seeds == 1 else f"{self.meta_seeds} rule files"
        means = f", {self.gap:g} apart" if self.gap else ""
        if self.drawn:
            several = f" of each of {self.distributions} distributions" if self.distributions > 1 else ""
            return f"{files}, {self.tasks} drawn levels{several}{means}"
        seeds = f"{self.seeds} {'draws that they share' if self.shared else 'seeds'}"
        return f"{files}, {self.tasks} fixed task{'s' * (self.tasks > 1)} × {seeds}{means}"

    @property
    def num_tasks(self) -> int:
        """Number of tasks n."""
        return self.tasks * self.distributions

    @property
    def strata(self) -> Int[np.ndarray, "n"]:
        """The distribution that each drawn level is from, or the number of each fixed task."""
        return np.arange(self.num_tasks) // (self.tasks if self.drawn else 1)

    @property
    def units(self) -> Units:
        """What is drawn beside the rule files."""
        clusters = np.zeros(self.tasks, int) if self.shared else np.arange(self.num_tasks)
        return Units(self.drawn, clusters, strata=self.strata if self.drawn else None)

    @property
    def task_means(self) -> Float[np.ndarray, "n"]:
        """The mean score of each task, which is not left to chance."""
        return self.gap * (self.strata - np.mean(self.strata))


DESIGNS = (
    Design(1, True, 5, 1),
    *(Design(meta_seeds, True, 32, 1) for meta_seeds in (1, 2, 3, 5)),
    Design(1, True, 5, 1, distributions=3, gap=10),
    *(Design(meta_seeds, True, 32, 1, distributions=3, gap=10) for meta_seeds in (1, 3)),
    *(Design(1, False, tasks, seeds) for tasks, seeds in ((1, 5), (2, 4), (4, 8))),
    *(Design(1, False, tasks, seeds, gap=10) for tasks, seeds in ((2, 4), (3, 3), (3, 4), (4, 8))),
    Design(1, False, 4, 8, shared=True, gap=10),
    *(Design(meta_seeds, False, 4, seeds, gap=10) for meta_seeds, seeds in ((3, 3), (5, 4))),
)


def covered(design: Design, dominates: str, num_simulations: int) -> dict[str, float | None]:
    """Simulate an experiment many times.

    Args:
        design: the experiment.
        dominates: key of SPREADS.
        num_simulations: number of simulations, ≥ 1.

    Returns:
        The share of the intervals of each figure that cover the truth, None for a figure without an interval; and
        `WIDTH`, the 99% quantile of the widths of the mean's intervals, as a multiple of the width with a known
        standard error.
    """
    draws = np.random.default_rng(0)
    of_rule, of_unit, of_run = SPREADS[dominates]
    if design.meta_seeds == 1:
        of_rule = 0.0  # a figure of a single rule file is about this very file
    units, shape = design.units, (design.meta_seeds, design.seeds, design.num_tasks)
    shared = (1, 1 if design.drawn else design.seeds, 1 if design.shared else design.num_tasks)
    hits: dict[str, list[bool | None]] = {name: [] for name in FIGURES}
    means: list[Ends] = []
    for _ in range(num_simulations):
        common = design.task_means + of_unit * draws.normal(size=shared)
        ours = of_rule * draws.normal(size=(design.meta_seeds, 1, 1)) + common + of_run * draws.normal(size=shape)
        theirs = common + of_run * draws.normal(size=(1, *shape[1:]))
        found = (
            of_mean(ours, units),
            of_aggregate(ours, iqm, units),
            of_improvement(ours, theirs, units),
            of_difference(ours, theirs, iqm, units),
        )
        for name, ends, truth in zip(FIGURES, found, (0.0, 0.0, 0.5, 0.0), strict=True):
            hits[name].append(_covers(ends, truth))
        means.append(found[0])
    shares = {name: None if None in own else float(np.mean(np.array(own, bool))) for name, own in hits.items()}
    return shares | {WIDTH: None if None in hits["mean"] else _largest_width(np.array(means, float))}


def _largest_width(means: Float[np.ndarray, "n 3"]) -> float:
    estimate, low, high = means.T
    return float(np.quantile(high - low, 0.99) / (2 * NORMAL_95 * np.std(estimate)))


def _covers(ends: Ends, truth: float) -> bool | None:
    _, low, high = ends
    return None if low is None or high is None else low <= truth <= high


def rows(num_simulations: int) -> list[dict[str, object]]:
    """Simulate every experiment, each part dominating in turn.

    Args:
        num_simulations: number of simulations of each.

    Returns:
        A row of JSON content for each design and dominating part; one rule file has no spread of meta-seeds.
    """
    return [
        asdict(design) | {"title": design.title, "dominates": dominates} | covered(design, dominates, num_simulations)
        for design in DESIGNS
        for dominates in list(SPREADS)[design.meta_seeds == 1 :]
    ]


def table(content: dict[str, list[dict[str, float | str | None]]]) -> Rows:
    """Return the results as a table for the docs.

    Args:
        content: what `main` wrote.

    Returns:
        For each design, the coverage of each figure and the width: lowest to highest over the dominating parts.
    """
    columns = (*FIGURES, WIDTH)
    lines: Rows = [("rule files and units", *columns)]
    for title in dict.fromkeys(str(row["title"]) for row in content["rows"]):
        own = [row for row in content["rows"] if row["title"] == title]
        cells = [[float(row[name]) for row in own if row[name] is not None] for name in columns]  # type: ignore[arg-type]
        digits = [*[".3f"] * len(FIGURES), ".1f"]
        spans = (f"{min(cell):{d}}–{max(cell):{d}}" if cell else "none" for cell, d in zip(cells, digits, strict=True))
        lines.append((title, *spans))
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Simulate and write coverage.json.

    Args:
        arguments: command-line arguments; those of this process if None.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=2000, help="simulations of each experiment (default: 2000)")
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"), help="folder of coverage.json")
    flags = parser.parse_args(arguments)
    if flags.simulations < 1:
        parser.error(f"--simulations must be >= 1, got {flags.simulations}")
    content = {"simulations": flags.simulations, "rows": rows(flags.simulations)}
    flags.out.mkdir(parents=True, exist_ok=True)
    (flags.out / "coverage.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
