"""Evolution strategies: fair pairs, ties that move nothing, hand-worked learning rates, and climbing quadratics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.discovery.evolution import ANTITHETIC, Evolution, pairwise_ranks, relative_differences, strategies
from groove.settings import EvolutionSettings
from lpg.cores.low_rank import LowRank, whole

MEAN = {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.zeros(2)}
FOLLOWS_GRADIENT = {
    "population": 8,
    "es_learning_rate": 0.1,
    "es_learning_rate_decay": 0.5,
    "es_min_learning_rate": 0.03,
}


@functools.cache
def search_of(strategy="Open_ES", **numbers):
    """A search over trees like MEAN; cached, because evosax compiles for each object again."""
    return evolution(strategy, **numbers).search(MEAN)


def evolution(strategy="Open_ES", population=16, **numbers):
    return Evolution(EvolutionSettings(es=strategy, population=population, **numbers))


def asked(search, key=1):
    """Return the candidates [P, D] of the first generation, their tree, and the state."""
    population, state = search.ask(jax.random.key(key), search.init(jax.random.key(0), MEAN))
    return flat(population), population, state


def told(search, returns):
    """Return the mean [D] before and after an update with these returns."""
    _, population, state = asked(search)
    after = search.tell(jax.random.key(2), population, jnp.asarray(returns, jnp.float32), state)
    return mean_of(search, state), mean_of(search, after)


def flat(tree):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)


def mean_of(search, state):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(search.mean(state))])


def test_strategies_are_known_by_name():
    known = strategies()
    assert {"Open_ES", "SNES", "Sep_CMA_ES", "PGPE", *ANTITHETIC} <= set(known)
    assert "iAMaLGaM_Full" not in known
    with pytest.raises(ValueError, match="unknown .* 'OpenES'; perhaps Open_ES; known: .*Open_ES.*Sep_CMA_ES"):
        evolution("OpenES").search(MEAN)


@pytest.mark.parametrize("strategy", ANTITHETIC)
def test_pairs_mirror_around_the_mean(strategy):
    search = search_of(strategy)
    candidates, _, state = asked(search)
    offset = candidates - mean_of(search, state)
    np.testing.assert_allclose(offset[:8], -offset[8:], atol=1e-6)
    assert np.min(np.abs(offset)) > 0 and search.evolution.antithetic


def test_strategies_without_pairs_say_so():
    candidates, _, state = asked(search_of("SNES"))
    offset = candidates - mean_of(search_of("SNES"), state)
    assert not np.allclose(offset[:8], -offset[8:], atol=1e-2) and not search_of("SNES").evolution.antithetic


def test_pairwise_ranks_of_winner_loser_and_tie_by_hand():
    # Pairs (i, i + 3): the first wins, they tie, the second wins; smaller fitness is better.
    fitness = jnp.array([1.0, 2.0, 3.0, 2.0, 2.0, -1.0])
    np.testing.assert_array_equal(pairwise_ranks(fitness, fitness, None, None), [-0.5, 0, 0.5, 0.5, 0, -0.5])


def test_pairwise_ranks_of_ties_favour_neither_member():
    for value in (0.0, -3.5, np.inf):
        np.testing.assert_array_equal(pairwise_ranks(None, jnp.full(8, value), None, None), np.zeros(8))


def test_pairwise_ranks_swap_with_the_members():
    first, second = jax.random.normal(jax.random.key(0), (2, 8)).round(1)
    there = pairwise_ranks(None, jnp.concatenate([first, second]), None, None)
    back = pairwise_ranks(None, jnp.concatenate([second, first]), None, None)
    np.testing.assert_array_equal(there, np.roll(back, 8))


def test_relative_differences_by_hand():
    # Pairs (i, i + 3) differ by −1, 0 and 4; their root mean square is √(17⁄3).
    fitness = jnp.array([1.0, 2.0, 3.0, 2.0, 2.0, -1.0])
    shaped = relative_differences(None, fitness, None, None)
    np.testing.assert_allclose(shaped, np.array([-0.5, 0, 2, 0.5, 0, -2]) / np.sqrt(17 / 3), rtol=1e-6)
    np.testing.assert_allclose(relative_differences(None, 7 * fitness + 3, None, None), shaped, rtol=1e-5)
    np.testing.assert_array_equal(relative_differences(None, jnp.full(6, -3.5), None, None), np.zeros(6))


def test_relative_differences_count_a_failure_for_one_root_mean_square():
    # Pairs (i, i + 4) differ by 3 and 0 where neither failed; in the second pair one failed, in the last both did.
    fitness = jnp.array([4.0, 1.0, 1.0, np.inf, 1.0, np.inf, 1.0, np.inf])
    shaped, half = relative_differences(None, fitness, None, None), 0.5 * 3 / np.sqrt(9 / 2)
    np.testing.assert_allclose(shaped, [half, -0.5, 0, 0, -half, 0.5, 0, 0], rtol=1e-6)


def test_relative_shaping_follows_the_larger_difference():
    search = search_of(population=4, shaping="relative")
    candidates, _, state = asked(search)
    offset = candidates - mean_of(search, state)
    # The gradient is the sum of offsets times differences: nine tenths of it come from the second pair.
    before, after = told(search, [0.0, 0.0, 0.1, 0.9])
    expected = np.sign(0.1 * offset[2] + 0.9 * offset[3])
    np.testing.assert_array_equal(np.sign(after - before), expected)


def test_relative_shaping_needs_pairs():
    with pytest.raises(
        ValueError, match="EvolutionSettings.shaping must be pairwise for .* Open_ES, got relative and SNES"
    ):
        EvolutionSettings(es="SNES", shaping="relative")
    with pytest.raises(ValueError, match="EvolutionSettings.fitness must be one of return, normalised, got 'rank'"):
        EvolutionSettings(fitness="rank")


@pytest.mark.parametrize("strategy", ANTITHETIC)
def test_equal_returns_leave_the_mean_where_it_is(strategy):
    before, after = told(search_of(strategy), np.full(16, 0.7))
    np.testing.assert_array_equal(before, after)


def test_one_winner_among_ties_pulls_the_mean_towards_itself():
    search = search_of()
    candidates, _, state = asked(search)
    for winner in (3, 11):
        before, after = told(search, np.arange(16) == winner)
        np.testing.assert_array_equal(np.sign(after - before), np.sign(candidates[winner] - mean_of(search, state)))


@pytest.mark.parametrize("strategy", ["Open_ES", "SNES", "Sep_CMA_ES", "PGPE"])
@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_non_finite_returns_lose_to_the_worst(strategy, scale):
    returns = -scale * np.arange(1.0, 17.0)
    lost = returns.copy()
    lost[[2, 5]] = 2 * returns.min(), 2 * returns.min()
    for odd in (np.nan, np.inf, -np.inf):
        broken = returns.copy()
        broken[[2, 5]] = odd
        np.testing.assert_array_equal(told(search_of(strategy), broken)[1], told(search_of(strategy), lost)[1])


def test_a_pair_of_non_finite_returns_ties():
    broken, tied = np.arange(16.0), np.arange(16.0)
    broken[[4, 12]] = np.nan, -np.inf
    tied[[4, 12]] = 1.0
    np.testing.assert_array_equal(told(search_of(), broken)[1], told(search_of(), tied)[1])


@pytest.mark.parametrize("strategy", ["Open_ES", "SNES", "Sep_CMA_ES", "PGPE"])
def test_no_finite_return_leaves_a_finite_state(strategy):
    search = search_of(strategy)
    _, population, state = asked(search)
    for _ in range(3):
        state = search.tell(jax.random.key(2), population, jnp.full(16, jnp.nan), state)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state))
    if strategy in ANTITHETIC:
        np.testing.assert_array_equal(mean_of(search, state), mean_of(search, search.init(jax.random.key(0), MEAN)))


def test_learning_rate_decays_to_its_floor_by_hand():
    search = search_of(**FOLLOWS_GRADIENT)
    _, population, state = asked(search)
    positions = [mean_of(search, state)]
    for _ in range(4):
        # The same winners at the same offsets: the gradient is constant, so Adam's step equals its learning rate.
        state = search.tell(jax.random.key(2), population, jnp.repeat(jnp.array([1.0, 0.0]), 4), state)
        positions.append(mean_of(search, state))
    steps = np.abs(np.diff(positions, axis=0))
    for step, rate in zip(steps, [0.1, 0.05, 0.03, 0.03], strict=True):
        np.testing.assert_allclose(step, rate, rtol=1e-4)


@pytest.mark.parametrize("strategy", ["Open_ES", "SNES", "Sep_CMA_ES", "PGPE", "xNES", "CMA_ES"])
def test_sigma_is_the_deviation_of_the_first_candidates(strategy):
    narrow, wide = (search_of(strategy, population=128, sigma=sigma) for sigma in (0.1, 0.3))
    offsets = [asked(search)[0] - mean_of(search, search.init(jax.random.key(0), MEAN)) for search in (narrow, wide)]
    np.testing.assert_allclose(offsets[1], 3 * offsets[0], rtol=1e-3, atol=1e-5)
    # For 512 normal draws, the standard error of the standard deviation is 3%.
    assert abs(np.std(offsets[0]) - 0.1) < 0.012


def test_sigma_of_open_es_stays_constant():
    search = search_of()
    first, population, state = asked(search)
    for generation in range(3):
        state = search.tell(jax.random.key(2), population, jnp.arange(16.0), state)
        population, state = search.ask(jax.random.key(1), state)
        offset = flat(population) - mean_of(search, state)
        np.testing.assert_allclose(offset, first - np.ravel([0, 0, 1, -2]), atol=1e-6, err_msg=str(generation))


@pytest.mark.parametrize("strategy", ["Open_ES", "SNES", "Sep_CMA_ES", "PGPE"])
def test_search_climbs_a_quadratic(strategy):
    search = search_of(strategy, es_learning_rate=0.05)
    top = np.array([0.5, 0.5, 0.0, -1.0])

    @jax.jit
    def generation(key, state):
        ask_key, tell_key = jax.random.split(key)
        population, state = search.ask(ask_key, state)
        leaves = [leaf.reshape(16, -1) for leaf in jax.tree.leaves(population)]
        height = -jnp.sum((jnp.concatenate(leaves, axis=1) - top) ** 2, axis=1)
        return search.tell(tell_key, population, height, state)

    state = search.init(jax.random.key(0), MEAN)
    assert np.linalg.norm(mean_of(search, state) - top) > 1.2
    for key in jax.random.split(jax.random.key(3), 100):
        state = generation(key, state)
    assert np.linalg.norm(mean_of(search, state) - top) < 0.3


MATRICES = {"wide": jnp.zeros((6, 4)), "thin": jnp.zeros((4, 1)), "bias": jnp.ones(3)}


@functools.cache
def low_rank_search(rank, population):
    return evolution(population=population, sigma=0.5, perturbation=f"lowrank:{rank}").search(MATRICES)


@pytest.mark.parametrize("rank", [1, 2])
def test_low_rank_candidates_differ_from_the_mean_by_products_of_that_rank(rank):
    search = low_rank_search(rank, 512)
    population, _ = search.ask(jax.random.key(1), search.init(jax.random.key(0), MATRICES))
    # Factors of 4 + 1 numbers would be larger than the thin matrix of 4.
    assert isinstance(population["wide"], LowRank) and not isinstance(population["thin"], LowRank)
    offsets = jax.tree.map(lambda x, mean: np.asarray(x - mean), whole(population), MATRICES)
    assert set(np.linalg.matrix_rank(offsets["wide"], tol=1e-4)) == {rank}
    for name, offset in offsets.items():
        np.testing.assert_allclose(offset[:256], -offset[256:], atol=1e-6, err_msg=name)
        # 256 draws each; products of two normal draws have heavy tails.
        np.testing.assert_allclose(np.std(offset), 0.5, rtol=0.1, err_msg=name)
        np.testing.assert_allclose(np.mean(offset[:256]), 0, atol=0.1, err_msg=name)


def test_low_rank_search_moves_along_the_weighted_noise_by_hand():
    # One pair: the gradient is half its noise over sigma, and Adam's first step keeps only the sign.
    search = low_rank_search(1, 2)
    state = search.init(jax.random.key(0), MATRICES)
    population, state = search.ask(jax.random.key(1), state)
    after = search.mean(search.tell(jax.random.key(2), population, jnp.array([0.0, 3.0]), state))
    for name, mean in MATRICES.items():
        winner = np.asarray(whole(population)[name][1] - mean)
        np.testing.assert_allclose(np.asarray(after[name] - mean), 0.01 * np.sign(winner), rtol=1e-3, err_msg=name)


def test_low_rank_search_moves_as_evosax_moves_by_whole_candidates():
    search = low_rank_search(2, 16)
    everything = evolution(sigma=0.5).search(MATRICES)
    states = {one: one.init(jax.random.key(0), MATRICES) for one in (search, everything)}
    population, _ = search.ask(jax.random.key(1), states[search])
    returns = jax.random.normal(jax.random.key(3), (16,)).at[jnp.array([2, 7])].set(jnp.nan).at[11].set(jnp.inf)
    for one, asked in ((search, population), (everything, whole(population))):
        # Twice, because Adam's second step depends on the size of the first gradient.
        for _ in range(2):
            states[one] = one.tell(jax.random.key(2), asked, returns, states[one])
    for name, mean in search.mean(states[search]).items():
        np.testing.assert_allclose(mean, everything.mean(states[everything])[name], atol=2e-5, err_msg=name)


def test_low_rank_search_stays_where_all_tie():
    search = low_rank_search(1, 16)
    state = search.init(jax.random.key(0), MATRICES)
    population, state = search.ask(jax.random.key(1), state)
    for returns in (jnp.full(16, 0.7), jnp.full(16, jnp.nan)):
        after = search.mean(search.tell(jax.random.key(2), population, returns, state))
        assert jax.tree.all(jax.tree.map(lambda x, mean: jnp.all(x == mean), after, MATRICES))


def test_low_rank_search_refuses_a_rank_that_saves_nothing():
    with pytest.raises(ValueError, match="perturbation lowrank:3 takes as many numbers as full noise for this rule"):
        evolution(population=2, perturbation="lowrank:3").search(MATRICES)


def test_low_rank_search_climbs_a_quadratic():
    search = evolution(population=64, es_learning_rate=0.05, perturbation="lowrank:1").search(MATRICES)
    top = jax.tree.map(lambda x: x + 0.7 * jnp.sign(jnp.cos(jnp.arange(x.size)).reshape(x.shape)), MATRICES)

    @jax.jit
    def generation(key, state):
        ask_key, tell_key = jax.random.split(key)
        population, state = search.ask(ask_key, state)
        gaps = jax.tree.map(lambda x, goal: jnp.sum((x - goal).reshape(64, -1) ** 2, axis=1), whole(population), top)
        return search.tell(tell_key, population, -sum(jax.tree.leaves(gaps)), state)

    state = search.init(jax.random.key(0), MATRICES)
    for key in jax.random.split(jax.random.key(3), 150):
        state = generation(key, state)
    for name, mean in search.mean(state).items():
        np.testing.assert_allclose(mean, top[name], atol=0.15, err_msg=name)


def test_tell_lets_pgpe_adapt_its_deviations():
    # Ranks within pairs add up to the same in every pair: with them PGPE's deviations would never move.
    search = search_of("PGPE")
    _, population, state = asked(search)
    returns = jax.random.normal(jax.random.key(3), (16,))
    after = search.tell(jax.random.key(2), population, returns, state)
    assert np.all(np.asarray(after.std) != np.asarray(state.std))


def test_search_first_used_within_a_program_can_be_used_in_another():
    # Trap: what evosax computes for its start, kept from within one program, is of no use to the next.
    search = evolution("SNES", population=4).search(MEAN)
    state = jax.jit(search.init)(jax.random.key(0), MEAN)
    population, state = jax.jit(search.ask)(jax.random.key(1), state)
    after = jax.jit(search.tell)(jax.random.key(2), population, jnp.arange(4.0), state)
    assert np.all(np.isfinite(mean_of(search, after)))
