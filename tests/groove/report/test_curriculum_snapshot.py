"""What is read from a run's curriculum: levels in the order of their scores, and their chances of being drawn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.records.checkpoints import CheckpointError, Checkpoints
from groove.report.curriculum_snapshot import SOLVED_AT_ONCE, read_snapshot
from tests.groove.kept_levels import CONFIG, GENERATION, PRIZES, kept_buffer, learnability_state, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", curriculum=kept_buffer())


def test_snapshot_holds_the_kept_levels_from_the_best_to_the_worst(run):
    snapshot = read_snapshot(run, CONFIG)
    assert (len(snapshot), snapshot.capacity, snapshot.generation) == (5, 8, GENERATION)
    assert (snapshot.num_evicted, snapshot.replay_from, snapshot.skipped) == (13, 4, [])
    kept = snapshot.kept
    assert kept.identity.tolist() == [12, 9, 4, 3, 17] and kept.parent.tolist() == [1, 4, 3, -1, 9]
    assert kept.score.tolist() == [1.0, 0.75, 0.5, 0.25, -np.inf]
    assert kept.age.tolist() == [5, 2, 5, 10, 5] and kept.visits.tolist() == [4, 1, 2, 3, 1]
    assert [float(snapshot.level(row).object_rewards[0]) for row in range(5)] == [0.625, 1.0, 0.875, 0.75, 0.5]
    assert snapshot.regret.tolist() == [1.0, 0.75, 0.5, 0.25, 0.5]
    assert snapshot.rank.tolist()[:4] == [1, 2, 3, 4]
    assert np.isnan(snapshot.exact_regret).all()


def test_chances_are_those_of_the_curriculum(run):
    config = CONFIG.replaced(temperature=1.0, staleness=0.25)
    snapshot = read_snapshot(run, config)
    # Ranks 1 to 4 have weights 12, 6, 4 and 3 out of 25; ages 5, 2, 5 and 10 add up to 22; the last has no score.
    by_score = 0.75 * np.array([12, 6, 4, 3, 0]) / 25
    by_staleness = 0.25 * np.array([5, 2, 5, 10, 0]) / 22
    np.testing.assert_allclose(snapshot.chances["by score"], by_score, rtol=1e-5)
    np.testing.assert_allclose(snapshot.chances["by staleness"], by_staleness, rtol=1e-5)
    assert snapshot.chance.sum() == pytest.approx(1)


def test_solved_adds_the_optimum_where_it_is_requested_and_unknown(run):
    snapshot = read_snapshot(run, CONFIG)
    known = snapshot.kept.extras.replace(optimal_return=jnp.full(5, jnp.nan).at[1].set(7.0))
    snapshot = dataclasses.replace(snapshot, kept=snapshot.kept.replace(extras=known))
    solved = snapshot.solved([0, 1, 3, 0])
    assert solved.kept.extras.optimal_return.tolist() == pytest.approx([0.625, 7.0, np.nan, 0.75, np.nan], nan_ok=True)
    assert solved.exact_regret.tolist()[0] == pytest.approx(0.625 + 0.25)
    assert np.isnan(snapshot.exact_regret[0]), "the old snapshot stays as it was"
    assert snapshot.solved([]) is snapshot


def test_solved_handles_more_levels_than_are_solved_at_once(run):
    snapshot = read_snapshot(run, CONFIG)
    rows = np.resize(np.arange(5), 2 * SOLVED_AT_ONCE + 3)
    many = jax.tree.map(lambda x: x[rows] if x.ndim else x, snapshot.kept)
    solved = dataclasses.replace(snapshot, kept=many).solved(list(range(len(rows))))
    expected = np.sort(np.array(PRIZES)[[4, 1, 2, 0, 3]][rows])
    np.testing.assert_allclose(np.sort(solved.kept.extras.optimal_return), expected, rtol=1e-6)


def test_levels_of_sfl_are_drawn_uniformly(tmp_path):
    config = CONFIG.replaced(curriculum="sfl")
    snapshot = read_snapshot(write_run(tmp_path / "run", config, learnability_state()), config)
    assert snapshot.kept.identity.tolist() == [12, 9, 4, 3] and snapshot.score_name == "learnability"
    assert {name: share.tolist() for name, share in snapshot.chances.items()} == {"uniform": [0.25] * 4}
    assert not snapshot.counts_visits
    assert np.isnan(snapshot.regret).all()


def test_empty_buffer_gives_a_snapshot_without_levels(tmp_path):
    snapshot = read_snapshot(write_run(tmp_path / "run"), CONFIG)
    assert len(snapshot) == 0 and snapshot.chance.sum() == 0
    assert snapshot.solved([]) is snapshot


def test_world_without_a_solver_is_left_unsolved(tmp_path):
    config = CONFIG.replaced(levels="chain_short", score="uniform")
    snapshot = read_snapshot(write_run(tmp_path / "run", config), config)
    assert snapshot.score_name == "uniform" and snapshot.solved([0]) is snapshot


@pytest.mark.parametrize("name", ["dr", "fixed"])
def test_curriculum_without_levels_is_refused(run, name):
    with pytest.raises(ValueError, match=f"run: its curriculum, {name}, keeps no levels"):
        read_snapshot(run, CONFIG.replaced(curriculum=name))


def test_newest_complete_checkpoint_is_read_and_the_broken_one_reported(run):
    newest = run.checkpoints_path / "generation_00000030.safetensors"
    newest.write_bytes(b"cut off")
    snapshot = read_snapshot(run, CONFIG)
    assert snapshot.generation == GENERATION and len(snapshot.skipped) == 1
    assert str(newest) in snapshot.skipped[0]


def test_checkpoint_that_the_run_replaced_in_the_meantime_is_looked_for_again(run, monkeypatch):
    restore, calls = Checkpoints.restore, []

    def replaced_once(self, example):
        calls.append(self)
        if len(calls) == 1:
            only = run.checkpoints_path / f"generation_{GENERATION:08d}.safetensors"
            only.rename(run.checkpoints_path / "generation_00000030.safetensors")
            raise CheckpointError("gone")
        return restore(self, example)

    monkeypatch.setattr(Checkpoints, "restore", replaced_once)
    # It is found on the second attempt, then refused because it holds another generation than its name says.
    with pytest.raises(CheckpointError, match="its name says otherwise"):
        read_snapshot(run, CONFIG)
    assert len(calls) == 2
