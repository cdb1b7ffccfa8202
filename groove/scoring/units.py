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
        strata: [n] int; drawn tasks with equal numbers are a sample of one distribution. The distributions themselves
            are fixed, so that what distinguishes them enters no interval. None if there is only one.
    """

    drawn: bool
    clusters: Int[np.ndarray, "n"]
    num_draws: int | None = None
    strata: Int[np.ndarray, "n"] | None = None

    def __post_init__(self) -> None:
        if self.num_draws is not None and self.num_draws < 1:
            raise ValueError(f"Units.num_draws must be >= 1, got {self.num_draws}")
        if self.strata is not None and len({*zip(self.clusters, self.strata, strict=True)}) > len({*self.clusters}):
            raise ValueError("Units.strata must be the same for all tasks of a cluster")

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
        strata = None if self.strata is None else self.strata[kept]
        return Units(self.drawn, self.clusters[kept], self.num_draws, strata)

    def counts(self, num_seeds: int) -> list[int]:
        """Count the units of each stratum, of which a resample draws as many again.

        Args:
            num_seeds: number of seeds S.

        Returns:
            The number of clusters in each stratum if tasks are drawn; otherwise the number of units in each cluster.
        """
        if self.drawn:
            return [np.unique(self.clusters[own]).size for own in self._by_stratum()]
        num_units = num_seeds if self.num_draws is None else min(num_seeds, self.num_draws)
        return [num_units] * np.unique(self.clusters).size

    def means(
        self, scores: Float[np.ndarray, "M S n"]
    ) -> tuple[list[Float[np.ndarray, "M U"]], Float[np.ndarray, "C"]]:
        """Average the scores of each unit.

        Args:
            scores: [M, S, n] scores.

        Returns:
            Means of the U units of each of C strata (clusters if the tasks are fixed), and the weights of the strata,
            which add up to 1. Units of more runs count more: their means are multiplied by the number of their runs
            over that of the average unit of their stratum.
        """
        own_tasks = self._by_stratum()
        weights = np.array([own.size for own in own_tasks]) / self.clusters.size
        num_seeds = scores.shape[1]
        found = []
        for own, num_units in zip(own_tasks, self.counts(num_seeds), strict=True):
            if self.drawn:
                _, places = np.unique(self.clusters[own], return_inverse=True)
                sums = np.mean(scores[..., own], axis=1) @ np.eye(num_units)[places]
                found.append(sums * num_units / own.size)
            else:
                of_seeds = np.mean(scores[..., own], axis=2)
                by_unit = [np.sum(of_seeds[:, unit::num_units], axis=1) for unit in range(num_units)]
                found.append(np.stack(by_unit, axis=1) * num_units / num_seeds)
        return found, weights

    def _by_stratum(self) -> list[Int[np.ndarray, "own"]]:
        """Return the places of the tasks of each stratum: of one distribution, or of one cluster of fixed tasks."""
        strata = self.strata if self.drawn else self.clusters
        if strata is None:
            return [np.arange(self.clusters.size)]
        return [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]

    def redrawn_tasks(self, draws: np.random.Generator, num_resamples: int) -> Int[np.ndarray, "R n"]:
        """Draw clusters of tasks again if they are a sample, each in place of one of its stratum with as many tasks.

        Args:
            draws: source of random numbers.
            num_resamples: number of resamples R.

        Returns:
            [R, n] places of tasks, or [1, n] in their own order if the tasks are fixed.
        """
        num_tasks = self.clusters.size
        if not self.drawn:
            return np.arange(num_tasks)[None]
        redrawn = np.empty((num_resamples, num_tasks), int)
        for own in self._by_stratum():
            _, places, sizes = np.unique(self.clusters[own], return_inverse=True, return_counts=True)
            for size in np.unique(sizes):
                alike = own[sizes[places] == size]
                members = alike[np.argsort(self.clusters[alike], kind="stable")].reshape(-1, size)
                drawn = draws.integers(len(members), size=(num_resamples, len(members)))
                redrawn[:, members.ravel()] = members[drawn].reshape(num_resamples, -1)
        return redrawn

    def redrawn_seeds(self, draws: np.random.Generator, num_resamples: int, num_seeds: int) -> Int[np.ndarray, "R S n"]:
        """Draw the seeds of fixed tasks again, separately in each cluster.

        Args:
            draws: source of random numbers.
            num_resamples: number of resamples R.
            num_seeds: number of seeds S.

        Returns:
            [R, S, n] seeds, or [1, S, 1] in their own order if the tasks are drawn, each with all its runs.
        """
        seeds = np.arange(num_seeds)
        if self.drawn:
            return seeds[None, :, None]
        _, places = np.unique(self.clusters, return_inverse=True)
        num_units, *_ = self.counts(num_seeds)
        units = draws.integers(num_units, size=(num_resamples, num_units, places.max() + 1))
        redrawn = units[:, seeds % num_units] + (seeds // num_units * num_units)[:, None]
        # The last round of levels may be incomplete; its missing seeds are replaced by those of the first round.
        return np.where(redrawn < num_seeds, redrawn, redrawn % num_units)[..., places]
