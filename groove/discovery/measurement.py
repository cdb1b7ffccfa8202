"""What curricula need to know about a level besides the rule's returns: antagonists, random actions, the optimum."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.discovery.population import Population, lives_of_one_rule
from groove.settings import AntagonistSettings
from levels.solver import exact_grid, optimal_return
from lpg.episodes import episode_returns, random_policy
from lpg.update_rule import Hyperparameters
from ued.curriculum import NOT_KEPT, Batch, Extras
from ued.scores import Need


@dataclass(frozen=True, eq=False)
class Measurement:
    """Measures each new level of a batch once while it stays in the buffer.

    An antagonist's return depends on the level, its lifetime, the antagonist's settings and its seed,
    never on the rule. A single seed ranks levels mostly by noise, so train two or more. A replayed level
    may add one seed per visit, up to a cap.

    Attributes:
        population: runs antagonists; its learner has their rule, its world is the levels'.
        hyper: the antagonists' step sizes and costs.
        needs: what is to be measured.
        settings: which antagonists, and how many.
    """

    population: Population
    hyper: Hyperparameters
    needs: frozenset[Need]
    settings: AntagonistSettings = AntagonistSettings()

    def __post_init__(self) -> None:
        if self._solves and exact_grid(self.population.learner.world) is None:
            raise ValueError("the best policy's return needs a grid whose objects the level places (an exact solver)")

    @property
    def _solves(self) -> bool:
        return "optimum" in self.needs or ("antagonist" in self.needs and self.settings.antagonist == "expert")

    def measure(self, key: Key[Array, ""], batch: Batch, num_new: int) -> tuple[Extras, Int[Array, ""]]:
        """Measure the new levels of a batch.

        Args:
            key: consumed.
            batch: n levels, of which the first `num_new` are measured.
            num_new: number of new levels, static.

        Returns:
            The extras [n] with the measurements added, and the number of antagonist updates [].
        """
        antagonist_key, more_key, random_key = jax.random.split(key, 3)
        new = jax.tree.map(lambda x: x[:num_new], batch.levels)
        extras, updates = batch.extras, jnp.int32(0)
        if self._solves:
            grid = exact_grid(self.population.learner.world)
            assert grid is not None
            optimum = jax.vmap(partial(optimal_return, grid))(new)
            extras = replace(extras, optimal_return=extras.optimal_return.at[:num_new].set(optimum))
        if "random" in self.needs:
            mean = jnp.mean(self.random_returns(random_key, new, 1), axis=1)
            extras = replace(extras, random_return=extras.random_return.at[:num_new].set(mean))
        if "antagonist" in self.needs:
            returns, updates = self.antagonist_returns(antagonist_key, new, extras.optimal_return[:num_new])
            extras = _with_antagonists(extras, returns)
            if (
                self.settings.antagonist_max_seeds > self.settings.antagonist_seeds
                and self.settings.antagonist != "expert"
            ):
                extras, more = self._with_another_seed(more_key, batch, extras, num_new)
                updates += more
        return extras, updates

    def antagonist_returns(
        self, key: Key[Array, ""], levels: PyTree, optimum: Float[Array, "m"]
    ) -> tuple[Float[Array, "m seeds"], Int[Array, ""]]:
        """Return the returns of the antagonists on each level at the end of their lives.

        Args:
            key: consumed.
            levels: [m, …] levels.
            optimum: [m] return of the best policy, used only by the expert.

        Returns:
            [m, seeds] returns, [m, 1] for the expert; and the number of updates made [].
        """
        if self.settings.antagonist == "expert":
            return optimum[:, None], jnp.int32(0)
        if self.settings.antagonist == "random":
            return self.random_returns(key, levels, self.settings.antagonist_seeds), jnp.int32(0)
        repeated = jax.tree.map(lambda x: jnp.repeat(x, self.settings.antagonist_seeds, axis=0), levels)
        returns, updates = self._live(key, repeated, repeated.lifetime)
        return returns.reshape(-1, self.settings.antagonist_seeds), updates

    def _live(self, key: Key[Array, ""], levels: PyTree, lengths: Int[Array, "N"]) -> tuple[Array, Array]:
        keys = jax.random.split(key, lengths.shape[0])
        outcomes = self.population.live((), lives_of_one_rule(keys, levels, lengths, self.hyper))
        return outcomes.returns, jnp.sum(outcomes.num_updates)

    def random_returns(self, key: Key[Array, ""], levels: PyTree, num_seeds: int) -> Float[Array, "m seeds"]:
        """Estimate the mean return of uniformly random actions.

        Args:
            key: consumed.
            levels: [m, …] levels.
            num_seeds: number of estimates, each over as many episodes as an agent has workers.

        Returns:
            [m, seeds] mean returns.
        """
        learner = self.population.learner

        def of_level(level_key: Array, level: PyTree) -> Float[Array, "seeds"]:
            num_episodes = num_seeds * learner.num_workers
            policy = random_policy(learner.world)
            returns = episode_returns(level_key, learner.world, level, policy, num_episodes)
            return jnp.mean(returns.reshape(num_seeds, -1), axis=1)

        return jax.vmap(of_level)(jax.random.split(key, jax.tree.leaves(levels)[0].shape[0]), levels)

    def _with_another_seed(
        self, key: Key[Array, ""], batch: Batch, extras: Extras, num_new: int
    ) -> tuple[Extras, Int[Array, ""]]:
        """Add an antagonist on each replayed level that has fewer than the cap."""
        levels = jax.tree.map(lambda x: x[num_new:], batch.levels)
        count = extras.antagonist_count[num_new:]
        wanted = (batch.slots[num_new:] != NOT_KEPT) & (count < self.settings.antagonist_max_seeds)
        if self.settings.antagonist == "random":
            returns, updates = self.random_returns(key, levels, 1)[:, 0], jnp.int32(0)
        else:
            # A life that is not wanted is as short as possible.
            returns, updates = self._live(key, levels, jnp.where(wanted, levels.lifetime, 1))
        mean, variance = add_seed(
            extras.antagonist_mean[num_new:], extras.antagonist_variance[num_new:], count, returns
        )

        def put(kept: Array, new: Array) -> Array:
            return kept.at[num_new:].set(jnp.where(wanted, new, kept[num_new:]))

        more = replace(
            extras,
            antagonist_mean=put(extras.antagonist_mean, mean),
            antagonist_variance=put(extras.antagonist_variance, variance),
            antagonist_count=put(extras.antagonist_count, count + 1),
        )
        return more, updates


def add_seed(
    mean: Float[Array, "n"], variance: Float[Array, "n"], count: Int[Array, "n"], value: Float[Array, "n"]
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Update a mean and an unbiased variance with one more value (Welford 1962).

    Args:
        mean: [n] mean of the values so far.
        variance: [n] unbiased variance, NaN for fewer than two values.
        count: [n] number of values so far, ≥ 1.
        value: [n] new values.

    Returns:
        The new mean and variance, both [n].
    """
    squares = jnp.where(count > 1, variance, 0.0) * (count - 1)
    new_mean = mean + (value - mean) / (count + 1)
    return new_mean, (squares + (value - mean) * (value - new_mean)) / count


def _with_antagonists(extras: Extras, returns: Float[Array, "m seeds"]) -> Extras:
    num_new, num_seeds = returns.shape
    variance = jnp.var(returns, axis=1, ddof=1) if num_seeds > 1 else jnp.full(num_new, jnp.nan)
    return replace(
        extras,
        antagonist_mean=extras.antagonist_mean.at[:num_new].set(jnp.mean(returns, axis=1)),
        antagonist_variance=extras.antagonist_variance.at[:num_new].set(variance),
        antagonist_count=extras.antagonist_count.at[:num_new].set(num_seeds),
    )
