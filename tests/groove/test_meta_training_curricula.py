"""Generations under a curriculum: what its levels teach, what is measured of them, and runs that go on."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.building import build_training
from groove.discovery.population import LifeResults
from groove.job.devices import lives_mesh
from groove.records.checkpoints import Checkpoints
from tests.smallest_run import SMALLEST
from ued.curriculum import NOT_KEPT

NO_PAIRS = "SNES"
RUN_KEY = jax.random.key(1)
RETURNS = np.arange(8.0) - 20


class ToldPopulation:
    """Keeps the lives it is given and returns what the test prescribes: two episodes, ½ below and above it."""

    def __init__(self, learner):
        self.learner = learner

    def live(self, meta_params, lives):
        self.meta_params, self.lives = meta_params, lives
        episodes = self.returns[:, None] + jnp.asarray([-0.5, 0.5])
        return LifeResults(self.returns, episodes, self.returns[:, None], None, lives.lengths, jnp.sum(lives.lengths))


@functools.cache
def training_with(curriculum="plr", es="Open_ES", num_levels=4, max_seeds=2):
    """Eight candidates on four levels, two of them new and two replayed once two are kept."""
    config = SMALLEST.replaced(
        curriculum=curriculum,
        es=es,
        population=8,
        buffer=6,
        min_filled=0.3,
        levels_per_candidate=1 if es == "Open_ES" else num_levels,
        antagonist_max_seeds=max_seeds,
    )
    training = build_training(config, lives_mesh(1))
    antagonists = dataclasses.replace(
        training.measurement, population=ToldPopulation(training.measurement.population.learner)
    )
    return dataclasses.replace(
        training, population=ToldPopulation(training.population.learner), measurement=antagonists
    )


@functools.cache
def program(**fields):
    """Compiled (state, returns, antagonists' returns) -> state, metrics, candidates, lives, antagonists' lives."""
    training = training_with(**fields)
    agents, antagonists = training.population, training.measurement.population

    def run(state, returns, antagonist_returns):
        agents.returns, antagonists.lives = returns, None
        num_told = antagonist_returns.shape[0]

        def live(meta_params, lives):
            antagonists.lives = lives
            told = antagonist_returns[jnp.arange(lives.lengths.size) % num_told]
            return LifeResults(told, told[:, None], told[:, None], None, lives.lengths, jnp.sum(lives.lengths))

        antagonists.live = live
        state, metrics = training.generation(RUN_KEY, state)
        return state, metrics, agents.meta_params, agents.lives, antagonists.lives

    return jax.jit(run)


@functools.cache
def start(**fields):
    return jax.jit(training_with(**fields).init)(jax.random.key(0))


def advance(state, returns=RETURNS, antagonist_returns=(1.0, 3.0), **fields):
    told = (jnp.asarray(values, jnp.float32) for values in (returns, antagonist_returns))
    return program(**fields)(state, *told)


def rule(state, **fields):
    return training_with(**fields).search.mean(state.search)


def assert_trees_equal(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def moved(before, after, **fields):
    differences = jax.tree.map(lambda x, y: np.max(np.abs(x - y)), rule(before, **fields), rule(after, **fields))
    return max(jax.tree.leaves(differences))


def test_kept_levels_have_the_means_of_their_lives():
    # Candidates g and g + 4 live on level g; levels 0 and 1 are new, the others have no antagonist.
    state, metrics, _, _, antagonist_lives = advance(start())
    buffer = state.curriculum
    assert int(buffer.filled.sum()) == 2
    np.testing.assert_array_equal(sorted(buffer.agent_return[buffer.filled]), [-18, -17])
    np.testing.assert_array_equal(sorted(buffer.score[buffer.filled]), [2 + 17, 2 + 18])
    np.testing.assert_array_equal(buffer.extras.antagonist_mean[buffer.filled], 2)
    np.testing.assert_array_equal(buffer.extras.antagonist_variance[buffer.filled], 2)
    np.testing.assert_array_equal(buffer.extras.antagonist_count[buffer.filled], 2)
    # Trap: best returns that start at 0.
    np.testing.assert_array_equal(sorted(buffer.extras.best_return[buffer.filled]), [-15.5, -14.5])
    assert metrics["score_new"] == 2 + 17.5 and metrics["regret_new"] == 2 + 17.5
    assert metrics["antagonist_updates"] == antagonist_lives.lengths.sum()


def test_antagonists_live_on_new_levels_alone():
    state, *_ = advance(start())
    # In the second generation two places are replayed.
    state, metrics, _, lives, antagonist_lives = advance(state)
    assert metrics["levels_replayed"] == 2 and antagonist_lives.lengths.shape == (4,)
    new = jax.tree.map(lambda x: jnp.repeat(x[:2], 2, axis=0), lives.levels)
    assert_trees_equal(antagonist_lives.levels, new)
    keys = jax.random.key_data(antagonist_lives.keys)
    assert antagonist_lives.candidates is None and len(np.unique(keys, axis=0)) == 4
    np.testing.assert_array_equal(antagonist_lives.lengths, new.lifetime)


def test_replayed_levels_add_an_antagonist_up_to_the_cap():
    fields = {"max_seeds": 3}
    state, *_ = advance(start(**fields), **fields)
    for visit in range(3):
        state, _, _, lives, more = advance(state, antagonist_returns=(5.0, 5.0), **fields)
        counts = np.asarray(state.curriculum.extras.antagonist_count)[np.asarray(state.curriculum.filled)]
        assert counts.max() == 3 and np.all(counts >= 2)
        # After two antagonists on each of two new levels comes one on each replayed one.
        assert_trees_equal(jax.tree.map(lambda x: x[4:], more.levels), jax.tree.map(lambda x: x[2:4], lives.levels))
        if visit == 0:
            extras, old = state.curriculum.extras, np.asarray(state.curriculum.extras.antagonist_count) == 3
            np.testing.assert_allclose(extras.antagonist_mean[old], np.mean([1, 3, 5]))
            np.testing.assert_allclose(extras.antagonist_variance[old], np.var([1, 3, 5], ddof=1))


def test_best_return_is_a_running_maximum_and_broken_agents_have_no_part_in_it():
    # Trap: the last return in place of the best.
    state, *_ = advance(start())
    best = dict(zip(state.curriculum.identity.tolist(), state.curriculum.extras.best_return.tolist(), strict=True))
    worse = np.full(8, -100.0)
    worse[2] = np.nan
    state, *_ = advance(state, returns=worse)
    for slot in np.flatnonzero(state.curriculum.filled):
        identity = int(state.curriculum.identity[slot])
        expected = best.get(identity, -99.5)
        assert float(state.curriculum.extras.best_return[slot]) == expected
    # The other member of its pair still says what the level is worth.
    assert np.isneginf(state.curriculum.score).sum() == 6 - 4 and int(state.curriculum.filled.sum()) == 4


def test_level_on_which_all_agents_broke_has_no_score():
    state, *_ = advance(start())
    broken = np.full(8, -100.0)
    broken[[2, 6]] = np.nan
    state, *_ = advance(state, returns=broken)
    assert np.isneginf(state.curriculum.score).sum() == 6 - 3 and int(state.curriculum.filled.sum()) == 4


@pytest.mark.parametrize(
    ("curriculum", "es"), [("plr", "Open_ES"), ("robust_plr", "Open_ES"), ("robust_plr", NO_PAIRS)]
)
def test_robust_replay_leaves_the_rule_where_it_is_while_no_level_trains(curriculum, es):
    fields = {"curriculum": curriculum, "es": es}
    returns = np.random.default_rng(0).normal(size=8 if es == "Open_ES" else 32)
    # A candidate that breaks on a level that does not train is no reason to move either.
    returns[0] = np.nan
    first = start(**fields)
    second, metrics, *_ = advance(first, returns, **fields)
    assert metrics["levels_replayed"] == 0 and int(second.generation) == 1
    if curriculum == "robust_plr":
        assert_trees_equal(rule(first, **fields), rule(second, **fields))
    else:
        assert moved(first, second, **fields) > 1e-3
    returns[0] = 0.0
    for _ in range(2):
        before, (second, metrics, *_) = second, advance(second, returns, **fields)
    assert metrics["levels_replayed"] == 2 and moved(before, second, **fields) > 1e-3


def test_robust_fitness_is_that_of_the_levels_that_train():
    fields = {"curriculum": "robust_plr"}
    state, *_ = advance(start(**fields), **fields)
    returns = np.random.default_rng(1).normal(size=8).astype(np.float32)
    after, metrics, candidates, *_ = advance(state, returns, **fields)
    training = training_with(**fields)
    ask_key, tell_key = jax.random.split(jax.random.fold_in(RUN_KEY, 1), 6)[:2]
    _, search = training.search.ask(ask_key, state.search)
    # Pairs 0 and 1 meet new levels.
    fitness = returns * np.tile([0, 0, 1, 1], 2)
    expected = training.search.mean(training.search.tell(tell_key, candidates, jnp.asarray(fitness), search))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), rule(after, **fields), expected)
    # The log says how all candidates fared everywhere.
    np.testing.assert_allclose(metrics["fitness_mean"], returns.mean(), rtol=1e-5)


def test_candidates_of_a_group_meet_the_same_levels_new_ones_first():
    fields = {"curriculum": "robust_plr", "es": NO_PAIRS}
    returns = np.repeat(np.arange(8.0), 4)
    state, *_ = advance(start(**fields), returns, **fields)
    state, metrics, _, lives, antagonist_lives = advance(state, returns, **fields)
    assert metrics["levels_replayed"] == 2
    for values in jax.tree.leaves(lives.levels):
        by_candidate = np.asarray(values).reshape(8, 4)
        np.testing.assert_array_equal(by_candidate, np.broadcast_to(by_candidate[0], by_candidate.shape))
    assert_trees_equal(antagonist_lives.levels, jax.tree.map(lambda x: jnp.repeat(x[:2], 2), lives.levels))
    np.testing.assert_allclose(state.curriculum.agent_return[state.curriculum.filled], 3.5)


def test_generation_called_again_gives_the_same():
    state, *_ = advance(start())
    assert_trees_equal(advance(state)[:2], advance(state)[:2])
    other = state.replace(generation=state.generation + 1)
    assert moved(advance(state)[0], advance(other)[0]) > 0


@pytest.mark.parametrize("curriculum", ["plr", "robust_plr", "sfl"])
def test_run_goes_on_from_its_checkpoint_as_if_it_never_stopped(curriculum, tmp_path):
    # Trap: resumed without the buffer.
    fields = {"curriculum": curriculum}
    returns = np.random.default_rng(2).normal(size=(5, 8))
    state, metrics = start(**fields), []
    checkpoints = Checkpoints(tmp_path)
    for number in range(5):
        if number == 3:
            checkpoints.save(number, state, {})
        state, row, *_ = advance(state, returns[number], **fields)
        metrics.append(row)
    restored = checkpoints.restore(jax.eval_shape(lambda: start(**fields)))
    resumed = restored.state
    for number in range(restored.generation, 5):
        resumed, row, *_ = advance(resumed, returns[number], **fields)
        assert_trees_equal(row, metrics[number])
    assert_trees_equal(resumed, state)
    assert curriculum == "sfl" or metrics[-1]["levels_replayed"] == 2


def test_checkpoint_holds_the_buffer_with_its_levels_in_use(tmp_path):
    state, *_ = advance(start())
    in_use = state.curriculum.in_use.at[jnp.argmax(state.curriculum.filled)].set(True)
    state = state.replace(curriculum=state.curriculum.replace(in_use=in_use))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state, {})
    restored = checkpoints.restore(jax.eval_shape(start)).state
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for left, right in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
        assert left.dtype == right.dtype and np.asarray(left).tobytes() == np.asarray(right).tobytes()
    assert restored.curriculum.in_use.sum() == 1
    after, *_ = advance(restored)
    assert int(after.curriculum.in_use.sum()) == 1
    assert np.all(np.asarray(after.curriculum.identity)[np.asarray(in_use)] != NOT_KEPT)
