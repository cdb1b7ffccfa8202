"""Evolution strategies over meta-parameters, through evosax."""

import inspect
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.settings import EvolutionSettings
from lpg.cores.low_rank import LowRank

ANTITHETIC = ("Open_ES", "PGPE")
"""Strategies whose populations are pairs: candidate i and i + P/2 are mean ± the same noise."""

NATURAL_GRADIENT = ("SNES", "xNES")
"""Strategies whose own step size of 1 is part of their derivation."""

IGNORE_SIGMA = ("iAMaLGaM_Full", "iAMaLGaM_Univariate")
"""Strategies that evosax starts at a deviation of 1 or more, whatever is asked for."""


def strategies() -> dict[str, Any]:
    """evosax's distribution-based strategies that can be run as `Evolution` runs them.

    Returns:
        Classes by name, in alphabetical order. Left out are those whose constructor asks for more
        than a population size and a solution, that do not hold one mean, or that ignore sigma.
    """
    from evosax import algorithms
    from evosax.algorithms.distribution_based.base import DistributionBasedAlgorithm

    def usable(strategy: Any) -> bool:
        if not (inspect.isclass(strategy) and issubclass(strategy, DistributionBasedAlgorithm)):
            return False
        if strategy.__name__ in IGNORE_SIGMA:
            return False
        parameters = list(inspect.signature(strategy).parameters.values())
        return all(p.name in ("population_size", "solution") or p.default is not p.empty for p in parameters)

    found = {name: getattr(algorithms, name) for name in sorted(dir(algorithms))}
    return {name: strategy for name, strategy in found.items() if usable(strategy)}


def pairwise_ranks(population: Array, fitness: Float[Array, "P"], state: Any, params: Any) -> Float[Array, "P"]:
    """Shape fitness within antithetic pairs, as evosax expects it (smaller is better).

    Of candidates i and i + P/2 the winner gets −½, the loser ½, both 0 in a tie (GROOVE,
    arXiv:2310.02782, as corrected by its authors).

    Differs: GROOVE's 1, 0 and ½ for winner, loser and tie are negated and centred. The
    gradient is the same but for rounding: a tie's is exactly 0, and Adam makes a full step of any other.

    Args:
        population: not read.
        fitness: [P], smaller is better, finite or +∞.
        state: not read.
        params: not read.

    Returns:
        [P] in {−½, 0, ½}.
    """
    del population, state, params
    first, second = jnp.split(fitness, 2)
    shaped = 0.5 * (first > second) - 0.5 * (first < second)
    return jnp.concatenate([shaped, -shaped])


def _centred_ranks(population: Array, fitness: Float[Array, "P"], state: Any, params: Any) -> Float[Array, "P"]:
    """Return evosax's centred ranks, zero on ties; otherwise Adam would turn rounding noise into a full step."""
    from evosax.core.fitness_shaping import centered_rank_fitness_shaping_fn

    ranks: Array = centered_rank_fitness_shaping_fn(population, fitness, state, params)
    return jnp.where(jnp.all(fitness == fitness[0]), 0.0, ranks)


def low_rank_candidates(
    key: Key[Array, ""], mean: PyTree, sigma: Float[Array, ""], population_size: int, rank: int
) -> PyTree:
    """Antithetic candidates around a rule, matrices perturbed by A·B/√r (Sarkar et al. 2025, arXiv:2511.16652).

    Where a matrix has fewer numbers than its two factors, and on vectors, the noise is full.

    Args:
        key: consumed.
        mean: meta-parameters.
        sigma: [] > 0, deviation of each number from its mean.
        population_size: P, even.
        rank: r ≥ 1.

    Returns:
        [P, …] arrays and `LowRank` matrices; candidates i and i + P/2 lie opposite each other.
    """
    leaves, structure = jax.tree.flatten(mean)
    num_pairs = population_size // 2

    def around(leaf_key: Key[Array, ""], leaf: Array) -> Array | LowRank:
        if leaf.ndim == 2 and _thinner(rank, leaf):
            left_key, right_key = jax.random.split(leaf_key)
            left = sigma / jnp.sqrt(rank) * jax.random.normal(left_key, (num_pairs, leaf.shape[0], rank))
            right = jax.random.normal(right_key, (num_pairs, rank, leaf.shape[1]))
            return LowRank(leaf, jnp.concatenate([left, -left]), jnp.concatenate([right, right]))
        noise = sigma * jax.random.normal(leaf_key, (num_pairs, *leaf.shape))
        return leaf + jnp.concatenate([noise, -noise])

    leaf_keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(structure, [around(*pair) for pair in zip(leaf_keys, leaves, strict=True)])


def _thinner(rank: int, matrix: Array) -> bool:
    return rank * sum(matrix.shape) < matrix.size


@dataclass(frozen=True)
class Evolution:
    """One evosax strategy, maximising the return of agents.

    Attributes:
        settings: the strategy's name and its numbers.
    """

    settings: EvolutionSettings = EvolutionSettings()

    @property
    def antithetic(self) -> bool:
        """Whether candidates i and i + P/2 are a pair."""
        return self.settings.es in ANTITHETIC

    @property
    def num_groups(self) -> int:
        """Groups of candidates that are compared on the same levels: pairs, or all of them."""
        return self.settings.population // 2 if self.antithetic else 1

    def search(self, solution: PyTree) -> "Search":
        """The strategy for solutions shaped like `solution`; make it once per run.

        Args:
            solution: meta-parameters.

        Returns:
            The search.

        Raises:
            ValueError: no such strategy.
        """
        known = strategies()
        if self.settings.es not in known:
            raise ValueError(f"unknown evolution strategy {self.settings.es!r}; known: {', '.join(known)}")
        return Search(self, solution)


class Search:
    """An evolution strategy on meta-parameters of one shape."""

    def __init__(self, evolution: Evolution, solution: PyTree) -> None:
        """Build the evosax object; evosax hashes it by identity, so it is made once.

        Args:
            evolution: strategy and its numbers.
            solution: meta-parameters, for their shape alone.
        """
        self.evolution, self.settings = evolution, evolution.settings
        strategy = strategies()[self.settings.es]
        matrices = [leaf for leaf in jax.tree.leaves(solution) if leaf.ndim == 2]
        if self.settings.rank is not None and not any(_thinner(self.settings.rank, matrix) for matrix in matrices):
            raise ValueError(
                f"perturbation {self.settings.perturbation} takes as many numbers as full noise for this rule"
            )
        accepted = inspect.signature(strategy).parameters
        options: dict[str, Any] = {"metrics_fn": lambda *_: {}}
        # Ranks within pairs hold their sums at one value, by which PGPE adapts its deviations.
        if self.settings.es in ANTITHETIC:
            options["fitness_shaping_fn"] = pairwise_ranks if self.settings.es == "Open_ES" else _centred_ranks
        if "optimizer" in accepted and self.settings.es not in NATURAL_GRADIENT:
            options["optimizer"] = optax.chain(optax.scale_by_adam(), optax.scale_by_learning_rate(self._rate))
        if "std_schedule" in accepted:
            options["std_schedule"] = optax.constant_schedule(self.settings.sigma)
        # Of low-rank candidates evosax sees one pair, made of all of them: see `tell`.
        self._strategy = strategy(self.settings.population if self.settings.rank is None else 2, solution, **options)
        # Here and not on first use: within a program they would be numbers of that program alone.
        self._params = self._start_params()

    def _rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        rate = self.settings.es_learning_rate * self.settings.es_learning_rate_decay**step
        return jnp.maximum(rate, self.settings.es_min_learning_rate)

    def _start_params(self) -> Any:
        params = self._strategy.default_params
        if not hasattr(params, "std_init"):
            return params
        # evosax scales xNES's noise by std_init twice.
        return params.replace(std_init=self.settings.sigma ** (0.5 if self.settings.es == "xNES" else 1.0))

    def init(self, key: Key[Array, ""], mean: PyTree) -> PyTree:
        """State of the search around a rule.

        Args:
            key: consumed.
            mean: meta-parameters.

        Returns:
            The state, a pytree of arrays.
        """
        return _strongly_typed(self._strategy.init(key, mean, self._params))

    def ask(self, key: Key[Array, ""], state: PyTree) -> tuple[PyTree, PyTree]:
        """Candidates of one generation.

        Args:
            key: consumed.
            state: of the search.

        Returns:
            [P, …] meta-parameters, with `LowRank` matrices if so configured, and the new state.
        """
        if self.settings.rank is None:
            return self._strategy.ask(key, state, self._params)
        return low_rank_candidates(
            key, self.mean(state), state.std, self.settings.population, self.settings.rank
        ), state

    def tell(self, key: Key[Array, ""], population: PyTree, returns: Float[Array, "P"], state: PyTree) -> PyTree:
        """Move the search by the candidates' returns; returns that are not finite lose to all others.

        Args:
            key: consumed.
            population: [P, …] as asked.
            returns: [P], larger is better.
            state: of the search.

        Returns:
            The new state.
        """
        finite = jnp.isfinite(returns)
        # Twice the worst: one more than it rounds back to it where returns are large.
        lost = 1.0 + 2.0 * jnp.max(jnp.where(finite, -returns, -jnp.inf), initial=0.0)
        fitness = jnp.where(finite, -returns, lost)
        if self.settings.rank is not None:
            population, fitness = _one_pair(population, fitness, self.mean(state)), jnp.array([0.0, 1.0])
        return _strongly_typed(self._strategy.tell(key, population, fitness, state, self._params)[0])

    def mean(self, state: PyTree) -> PyTree:
        """The rule at the centre of the search.

        Args:
            state: of the search.

        Returns:
            Meta-parameters.
        """
        return self._strategy.get_mean(state)


def _one_pair(population: PyTree, fitness: Float[Array, "P"], mean: PyTree) -> PyTree:
    """A winner and a loser that pull the mean as a population of low-rank candidates does.

    The gradient is the sum of the candidates' offsets by their ranks, over P; of a winning and a losing candidate
    with offsets ±e it is −e/2. So e is −2/P times that sum, formed from the factors: whole candidates would take
    P times the memory of a rule.
    """
    shaped = pairwise_ranks(population, fitness, None, None)

    def pair(x: Any, centre: Array) -> Array:
        if isinstance(x, LowRank):
            total = jnp.einsum("p,pmr,prn->mn", shaped, x.left, x.right, precision=jax.lax.Precision.HIGHEST)
        else:
            total = jnp.tensordot(shaped, x - centre, 1, precision=jax.lax.Precision.HIGHEST)
        offset = -2 / shaped.size * total
        return jnp.stack([centre + offset, centre - offset])

    return jax.tree.map(pair, population, mean, is_leaf=lambda x: isinstance(x, LowRank))


def _strongly_typed(tree: PyTree) -> PyTree:
    """The same arrays without weak types, which a checkpoint cannot hold and which would compile again."""
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.asarray(x).dtype), tree)
