"""The units of an interval: what a repeated experiment would draw again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class Units:
    """What was drawn at random in scores [M, S, n] of M meta-seeds, S seeds and n tasks.

    Meta-seeds, if there are several, are always drawn. Crossed with them, either tasks are drawn or, in tasks that are
    fixed, seeds. Seeds stand for their agents and for the levels that these lived on.

    Attributes:
        drawn: whether the tasks are themselves a sample, such as levels of a generator.
        clusters: [n] int; tasks with equal numbers share their draws. Drawn tasks of one cluster are one unit. In fixed
            tasks of one cluster, a seed is one unit.
        num_draws: number of levels that the seeds of a fixed task take in turn, which makes all seeds on a level one
            unit; None if each seed is a unit.
    """

    drawn: bool
    clusters: Int[np.ndarray, "n"]
    num_draws: int | None = None

    def __post_init__(self) -> None:
        if self.num_draws is not None and self.num_draws < 1:
            raise ValueError(f"Units.num_draws must be >= 1, got {self.num_draws}")

    @classmethod
    def separate(cls, drawn: bool, num_tasks: int) -> "Units":
        """Return the units of tasks of which no two share a draw.

        Args:
            drawn: whether the tasks are a sample.
            num_tasks: number of tasks n.

        Returns:
            The units.
        """
        return cls(drawn, np.arange(num_tasks))

    def of_tasks(self, kept: list[int]) -> "Units":
        """Select tasks.

        Args:
            kept: places of the tasks.

        Returns:
            Units of scores in these tasks.
        """
        return Units(self.drawn, self.clusters[kept], self.num_draws)

    def count(self, num_seeds: int) -> int:
        """Count the units of which a resample draws as many again.

        Args:
            num_seeds: number of seeds S.

        Returns:
            The number of clusters if tasks are drawn; otherwise the number of units in each cluster.
        """
        if self.drawn:
            return np.unique(self.clusters).size
        return num_seeds if self.num_draws is None else min(num_seeds, self.num_draws)

    def means(self, scores: Float[np.ndarray, "M S n"]) -> tuple[Float[np.ndarray, "M U C"], Float[np.ndarray, "C"]]:
        """Average the scores of each unit.

        Args:
            scores: [M, S, n] scores.

        Returns:
            Means of U units in each of C strata (one if tasks are drawn, otherwise the clusters), and the weights of
            the strata, which add up to 1. Units of more runs count more: their means are multiplied by the number of
            their runs over that of the average unit.
        """
        _, places, sizes = np.unique(self.clusters, return_inverse=True, return_counts=True)
        sums = scores @ np.eye(sizes.size)[places]  # [M, S, C]
        if self.drawn:
            return np.mean(sums, axis=1)[..., None] * sizes.size / self.clusters.size, np.ones(1)
        num_seeds = scores.shape[1]
        num_units = self.count(num_seeds)
        by_unit = [np.sum(sums[:, unit::num_units], axis=1) for unit in range(num_units)]
        return np.stack(by_unit, axis=1) * num_units / num_seeds / sizes, sizes / self.clusters.size

    def redrawn_tasks(self, draws: np.random.Generator, num_resamples: int) -> Int[np.ndarray, "R n"]:
        """Draw clusters of tasks again if they are a sample, each in place of one with as many tasks.

        Args:
            draws: source of random numbers.
            num_resamples: number of resamples R.

        Returns:
            [R, n] places of tasks, or [1, n] in their own order if the tasks are fixed.
        """
        num_tasks = self.clusters.size
        if not self.drawn:
            return np.arange(num_tasks)[None]
        _, places, sizes = np.unique(self.clusters, return_inverse=True, return_counts=True)
        redrawn = []
        for size in np.unique(sizes):
            own = np.flatnonzero(sizes[places] == size)
            members = own[np.argsort(places[own], kind="stable")].reshape(-1, size)
            drawn = draws.integers(len(members), size=(num_resamples, len(members)))
            redrawn.append(members[drawn].reshape(num_resamples, -1))
        return np.concatenate(redrawn, axis=1)

    def redrawn_seeds(self, draws: np.random.Generator, num_resamples: int, num_seeds: int) -> Int[np.ndarray, "R S n"]:
        """Draw the seeds of fixed tasks again, separately in each cluster.

        Args:
            draws: source of random numbers.
            num_resamples: number of resamples R.
            num_seeds: number of seeds S.

        Returns:
            [R, S, n] seeds, or [1, S, 1] in their own order if the tasks are drawn: a task is drawn with all its runs.
        """
        seeds = np.arange(num_seeds)
        if self.drawn:
            return seeds[None, :, None]
        _, places = np.unique(self.clusters, return_inverse=True)
        num_units = self.count(num_seeds)
        units = draws.integers(num_units, size=(num_resamples, num_units, places.max() + 1))
        redrawn = units[:, seeds % num_units] + (seeds // num_units * num_units)[:, None]
        # The last round of levels may be incomplete; its missing seeds are replaced by those of the first round.
        return np.where(redrawn < num_seeds, redrawn, redrawn % num_units)[..., places]
