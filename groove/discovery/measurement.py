"""What curricula need to know about a level besides the rule's returns: antagonists, random actions, the optimum."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

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
    adds one seed per visit, up to a cap.

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
        antagonist_key, random_key = jax.random.split(key)
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
            extras, updates = self._with_antagonists(antagonist_key, batch, extras, num_new)
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
        none = jax.tree.map(lambda x: x[:0], levels)
        returns, _, updates = self._antagonists(key, levels, optimum, none, jnp.zeros(0, bool))
        return returns, updates

    def _with_antagonists(
        self, key: Key[Array, ""], batch: Batch, extras: Extras, num_new: int
    ) -> tuple[Extras, Int[Array, ""]]:
        """Add all antagonists of each new level, and one more on each replayed level that has fewer than the cap."""
        settings = self.settings
        last = None if settings.antagonist_max_seeds > settings.antagonist_seeds else num_new
        again = slice(num_new, num_new if settings.antagonist == "expert" else last)
        count = extras.antagonist_count[again]
        wanted = (batch.slots[again] != NOT_KEPT) & (count < settings.antagonist_max_seeds)
        new, replayed = (jax.tree.map(lambda x, at=at: x[at], batch.levels) for at in (slice(num_new), again))
        returns, another, updates = self._antagonists(key, new, extras.optimal_return[:num_new], replayed, wanted)
        mean, variance = add_seed(extras.antagonist_mean[again], extras.antagonist_variance[again], count, another)
        new_mean, new_variance = across_seeds(returns)

        def put(kept: Array, of_new: Array | int, of_replayed: Array) -> Array:
            return kept.at[:num_new].set(of_new).at[again].set(jnp.where(wanted, of_replayed, kept[again]))

        measured = replace(
            extras,
            antagonist_mean=put(extras.antagonist_mean, new_mean, mean),
            antagonist_variance=put(extras.antagonist_variance, new_variance, variance),
            antagonist_count=put(extras.antagonist_count, returns.shape[1], count + 1),
        )
        return measured, updates

    def _antagonists(
        self,
        key: Key[Array, ""],
        levels: PyTree,
        optimum: Float[Array, "m"],
        replayed: PyTree,
        wanted: Bool[Array, "k"],
    ) -> tuple[Float[Array, "m seeds"], Float[Array, "k"], Int[Array, ""]]:
        """Return the returns of all antagonists of each level, of one more on each replayed one, and all updates."""
        num_seeds, num_again = self.settings.antagonist_seeds, wanted.size
        if self.settings.antagonist == "expert":
            return optimum[:, None], jnp.zeros(num_again), jnp.int32(0)
        new_key, another_key = jax.random.split(key)
        if self.settings.antagonist == "random":
            another = self.random_returns(another_key, replayed, 1)[:, 0]
            return self.random_returns(new_key, levels, num_seeds), another, jnp.int32(0)
        repeated = jax.tree.map(lambda x: jnp.repeat(x, num_seeds, axis=0), levels)
        # One call, because each is a program of its own. A life that is not wanted is as short as possible.
        lengths = jnp.concatenate([repeated.lifetime, jnp.where(wanted, replayed.lifetime, 1)])
        keys = jnp.concatenate(
            [jax.random.split(new_key, repeated.lifetime.size), jax.random.split(another_key, num_again)]
        )
        everything = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), repeated, replayed)
        lives = self.population.live((), lives_of_one_rule(keys, everything, lengths, self.hyper))
        of_new, another = jnp.split(lives.returns, [repeated.lifetime.size])
        return of_new.reshape(-1, num_seeds), another, jnp.sum(lives.num_updates)

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


def across_seeds(returns: Float[Array, "m S"]) -> tuple[Float[Array, "m"], Float[Array, "m"]]:
    """Return the mean over seeds, and their unbiased variance.

    Args:
        returns: [m, S] returns of S seeds.

    Returns:
        [m] each; the variance is NaN for one seed.
    """
    num_levels, num_seeds = returns.shape
    variance = jnp.var(returns, axis=1, ddof=1) if num_seeds > 1 else jnp.full(num_levels, jnp.nan)
    return jnp.mean(returns, axis=1), variance


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
