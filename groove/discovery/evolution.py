"""Evolution strategies over meta-parameters, through evosax."""

import inspect
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.settings import EvolutionSettings
from levels.near_names import unknown
from lpg.cores.low_rank import LowRank

ANTITHETIC = ("Open_ES", "PGPE")
"""Strategies whose populations are pairs: candidates i and i + P/2 are the mean ± the same noise."""

NATURAL_GRADIENT = ("SNES", "xNES")
"""Strategies whose own learning rate of 1 is part of their derivation."""

IGNORE_SIGMA = ("iAMaLGaM_Full", "iAMaLGaM_Univariate")
"""Strategies that evosax starts at a standard deviation of 1 or more, whatever sigma is given."""


def strategies() -> dict[str, Any]:
    """Return the distribution-based strategies of evosax that `Evolution` can run.

    Returns:
        Classes by name, in alphabetical order. It leaves out those whose constructors need more than a
        population size and a solution, that do not keep a single mean, or that ignore sigma.
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
    """Rank fitness within antithetic pairs, as evosax expects it (smaller is better).

    The winner of candidates i and i + P/2 gets −½ and the loser ½; in a tie both get 0. Antithetic pairs are
    those of Salimans et al. 2017 (arXiv:1703.03864), the comparison within pairs on the same level that of
    TA-LPG (Jackson et al. 2024, arXiv:2402.05828).

    Differs: 1, 0 and ½ for winner, loser and tie are negated and centred. The gradient is the same except
    that it is exactly zero on ties; otherwise Adam would turn rounding noise into a full step.

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


def relative_differences(population: Array, fitness: Float[Array, "P"], state: Any, params: Any) -> Float[Array, "P"]:
    """Compare fitness within antithetic pairs by size, in root mean squares of the differences (smaller is better).

    A pair that differs twice as much counts twice as much, where `pairwise_ranks` counts all alike. Sarkar et al. 2025
    (arXiv:2511.16652) divide differences from a level's mean by the standard deviation over all levels; here each
    pair has its own level, so the level's mean is that of the pair. A candidate that failed makes its pair count for
    one root mean square.

    Args:
        population: not read.
        fitness: [P], smaller is better, finite or +∞.
        state: not read.
        params: not read.

    Returns:
        [P], the halves of which are each other's negatives; as large as `pairwise_ranks` in the root mean square, or
        all 0 if no pair differs.
    """
    del population, state, params
    first, second = jnp.split(fitness, 2)
    difference = first - second
    finite = jnp.isfinite(difference)
    rms = jnp.sqrt(jnp.sum(jnp.where(finite, difference, 0.0) ** 2) / jnp.maximum(jnp.sum(finite), 1))
    shaped = jnp.where(finite, difference / jnp.where(rms > 0, rms, 1.0), jnp.sign(jnp.nan_to_num(difference)))
    return 0.5 * jnp.concatenate([shaped, -shaped])


SHAPINGS = {"pairwise": pairwise_ranks, "relative": relative_differences}
"""What `EvolutionSettings.shaping` names, for Open_ES."""


def _centred_ranks(population: Array, fitness: Float[Array, "P"], state: Any, params: Any) -> Float[Array, "P"]:
    """Return evosax's centred ranks, zero on ties; otherwise Adam would turn rounding noise into a full step."""
    from evosax.core.fitness_shaping import centered_rank_fitness_shaping_fn

    ranks: Array = centered_rank_fitness_shaping_fn(population, fitness, state, params)
    return jnp.where(jnp.all(fitness == fitness[0]), 0.0, ranks)


def low_rank_candidates(
    key: Key[Array, ""], mean: PyTree, sigma: Float[Array, ""], population_size: int, rank: int
) -> PyTree:
    """Draw antithetic candidates around a rule, matrices perturbed by A·B/√r (Sarkar et al. 2025, arXiv:2511.16652).

    Vectors, and matrices with no more numbers than their two factors, get full noise.

    Args:
        key: consumed.
        mean: meta-parameters at the centre.
        sigma: [] > 0, standard deviation of each number.
        population_size: number of candidates P, even.
        rank: rank r ≥ 1.

    Returns:
        [P, …] arrays and `LowRank` matrices; candidates i and i + P/2 are mirror images about the mean.
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
    """An evosax strategy that maximises the return of agents.

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

    def search(self, solution: PyTree) -> "RuleSearch":
        """Build the search for solutions shaped like `solution`; do so once per run.

        Args:
            solution: meta-parameters; only their shapes are read.

        Returns:
            The search.

        Raises:
            ValueError: there is no such strategy.
        """
        known = strategies()
        if self.settings.es not in known:
            raise ValueError(unknown("evolution strategy", self.settings.es, known))
        return RuleSearch(self, solution)


class RuleSearch:
    """An evolution strategy on meta-parameters of one shape."""

    def __init__(self, evolution: Evolution, solution: PyTree) -> None:
        """Build the evosax object; evosax hashes it by identity, so it is made once.

        Args:
            evolution: strategy and its numbers.
            solution: meta-parameters, for their shape alone.

        Raises:
            ValueError: low-rank noise would take as many numbers as full noise.
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
            shaping = SHAPINGS[self.settings.shaping]
            options["fitness_shaping_fn"] = shaping if self.settings.es == "Open_ES" else _centred_ranks
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
        """Return the state of a new search around a rule.

        Args:
            key: consumed.
            mean: meta-parameters of the rule.

        Returns:
            The state, a pytree of arrays.
        """
        return _strongly_typed(self._strategy.init(key, mean, self._params))

    def ask(self, key: Key[Array, ""], state: PyTree) -> tuple[PyTree, PyTree]:
        """Draw the candidates of a generation.

        Args:
            key: consumed.
            state: state of the search.

        Returns:
            [P, …] meta-parameters, with `LowRank` matrices if so configured, and the new state.
        """
        if self.settings.rank is None:
            return self._strategy.ask(key, state, self._params)
        return low_rank_candidates(
            key, self.mean(state), state.std, self.settings.population, self.settings.rank
        ), state

    def tell(self, key: Key[Array, ""], population: PyTree, returns: Float[Array, "P"], state: PyTree) -> PyTree:
        """Update the search with the candidates' returns; returns that are not finite lose to all others.

        Args:
            key: consumed.
            population: [P, …] candidates from `ask`.
            returns: [P], larger is better.
            state: state of the search.

        Returns:
            The new state.
        """
        finite = jnp.isfinite(returns)
        # Twice the worst, since the worst plus one would round back to the worst where returns are large. With relative
        # shaping, a made-up fitness would set the scale.
        lost = 1.0 + 2.0 * jnp.max(jnp.where(finite, -returns, -jnp.inf), initial=0.0)
        fitness = jnp.where(finite, -returns, jnp.inf if self.settings.shaping == "relative" else lost)
        if self.settings.rank is not None:
            shaped = SHAPINGS[self.settings.shaping](population, fitness, None, None)
            population, fitness = _one_pair(population, shaped, self.mean(state)), jnp.array([0.0, 1.0])
        return _strongly_typed(self._strategy.tell(key, population, fitness, state, self._params)[0])

    def mean(self, state: PyTree) -> PyTree:
        """Return the rule at the centre of the search.

        Args:
            state: state of the search.

        Returns:
            Meta-parameters.
        """
        return self._strategy.get_mean(state)


def _one_pair(population: PyTree, shaped: Float[Array, "P"], mean: PyTree) -> PyTree:
    """Return a winner and a loser that move the mean as the whole low-rank population would.

    The gradient is the sum of the candidates' offsets times their ranks, divided by P; for a winner and a loser with
    offsets ±e it is −e/2. So e is −2/P times that sum. It is computed from the factors because full candidates would
    take P times the memory of a rule.
    """

    def pair(x: Any, centre: Array) -> Array:
        if isinstance(x, LowRank):
            total = jnp.einsum("p,pmr,prn->mn", shaped, x.left, x.right, precision=jax.lax.Precision.HIGHEST)
        else:
            total = jnp.tensordot(shaped, x - centre, 1, precision=jax.lax.Precision.HIGHEST)
        offset = -2 / shaped.size * total
        return jnp.stack([centre + offset, centre - offset])

    return jax.tree.map(pair, population, mean, is_leaf=lambda x: isinstance(x, LowRank))


def _strongly_typed(tree: PyTree) -> PyTree:
    """Return the same arrays without weak types, which checkpoints cannot hold and which force recompilation."""
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.asarray(x).dtype), tree)
