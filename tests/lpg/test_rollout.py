"""The rollout: every recorded step replayed by hand, and actions drawn as often as the policy says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.policy import sample_action
from lpg.rollout import collect, reset_workers
from tests.lpg import tiny

LEVEL = tiny.level(max_steps=5)
NUM_STEPS, NUM_WORKERS = 12, 16
LOGITS = jnp.asarray([0.0, 0.0, 1.0, 0.0, 1.0])
"""Rather down and right, where the object is."""


@functools.cache
def program(num_steps=NUM_STEPS, num_workers=NUM_WORKERS):
    """Compiled (key, logits) -> states, states after, rollout."""

    def run(key, logits):
        plan = tiny.WORLD.plan(LEVEL)
        reset_key, rollout_key = jax.random.split(key)
        states = reset_workers(reset_key, tiny.WORLD, plan, num_workers)

        def policy(observation):
            return jnp.broadcast_to(logits, (*observation.shape, 5))

        return states, *collect(rollout_key, tiny.WORLD, plan, policy, states, num_steps)

    return jax.jit(run)


@functools.cache
def sampled(seed=0):
    return jax.tree.map(np.asarray, program()(jax.random.key(seed), LOGITS))


def test_sample_action_inverts_the_distribution_function_by_hand():
    logits = jnp.broadcast_to(jnp.log(jnp.asarray([1.0, 2.0, 1.0])), (6, 3))
    draw = jnp.asarray([0.0, 0.2499, 0.2501, 0.7499, 0.7501, 0.9999])
    np.testing.assert_array_equal(sample_action(draw, logits), [0, 0, 1, 1, 2, 2])


def test_sample_action_draws_each_action_as_often_as_the_policy_says():
    num_draws = 100_000
    logits = jnp.asarray([0.3, -1.2, 2.0, 0.0])
    draw = jax.random.uniform(jax.random.key(0), (num_draws,))
    actions = sample_action(draw, jnp.broadcast_to(logits, (num_draws, 4)))
    expected = np.asarray(jax.nn.softmax(logits))
    # Five standard deviations, with the seed fixed.
    margin = 5 * np.sqrt(expected * (1 - expected) / num_draws)
    np.testing.assert_array_less(np.abs(np.bincount(actions, minlength=4) / num_draws - expected), margin)


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-23, 1 - 2**-24], ids=["zero", "half", "last", "below_one"])
def test_sample_action_never_takes_what_has_no_chance(draw):
    random = np.random.default_rng(0)
    logits = random.normal(0, 5, (2000, 9)).astype(np.float32)
    # Both ends of the row are where rounding could slip.
    logits[:, 1:][random.random((2000, 8)) < 0.5] = -np.inf
    logits[:, [0, 8]] = -np.inf
    logits[:, 4] = 0.0
    actions = np.asarray(sample_action(jnp.full(2000, draw), jnp.asarray(logits)))
    assert actions.min() >= 0 and actions.max() < 9
    assert np.all(np.isfinite(logits[np.arange(2000), actions]))


def test_sample_action_bears_huge_logits():
    logits = jnp.asarray([[1e30, 0.0], [-1e30, 0.0], [-1e30, -1e30]])
    np.testing.assert_array_equal(sample_action(jnp.full(3, 0.75), logits), [0, 1, 1])


def test_collect_agrees_with_a_replay_by_hand():
    _, after, rollout = sampled()
    done = np.asarray(program()(jax.random.key(0), LOGITS)[2].done)
    moves = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
    ends = []
    for b in range(NUM_WORKERS):
        row = column = time = 0
        for t in range(NUM_STEPS):
            # Observation: cell + 9 while the object in the last cell is there, which it is until the end.
            assert rollout.observation[t, b] == 3 * row + column + 9
            down, right = moves[rollout.action[t, b]]
            row, column = np.clip(row + down, 0, 2), np.clip(column + right, 0, 2)
            time += 1
            found, late = (row, column) == (2, 2), time >= 5
            assert rollout.reward[t, b] == float(found)
            assert (rollout.terminated[t, b], rollout.truncated[t, b]) == (found, late)
            assert done[t, b] == (found or late)
            # Seen before any reset; the object disappears once found.
            assert rollout.next_observation[t, b] == 3 * row + column + (0 if found else 9)
            ends.append((found, late))
            if found or late:
                row = column = time = 0
        assert (after.position[b], after.time[b]) == (3 * row + column, time)
    assert {(True, False), (False, True), (True, True), (False, False)} == set(ends)


def test_collect_goes_on_where_the_last_rollout_stopped():
    plan = tiny.WORLD.plan(LEVEL)

    def policy(observation):
        return jnp.broadcast_to(LOGITS, (*observation.shape, 5))

    _, after, first = program()(jax.random.key(0), LOGITS)
    step = jax.jit(lambda key, states: collect(key, tiny.WORLD, plan, policy, states, 1)[1])
    following = step(jax.random.key(5), after)
    expected = np.where(first.done[-1], 9, first.next_observation[-1])
    np.testing.assert_array_equal(following.observation[0], expected)


def test_collect_draws_new_numbers_for_each_step_worker_and_key():
    uniform = jnp.zeros(5)
    _, _, rollout = program()(jax.random.key(0), uniform)
    actions = np.asarray(rollout.action)
    assert len(np.unique(actions, axis=0)) == NUM_STEPS and len(np.unique(actions, axis=1).T) == NUM_WORKERS
    again, other = (program()(jax.random.key(seed), uniform)[2].action for seed in (0, 1))
    np.testing.assert_array_equal(again, actions)
    assert np.mean(np.asarray(other) == actions) < 0.5


def test_collect_follows_its_policy():
    for action in (2, 4):
        _, _, rollout = program()(jax.random.key(0), jnp.full(5, -1e9).at[action].set(0.0))
        assert np.all(rollout.action == action)


def test_collect_of_one_step_and_one_worker():
    _, _, rollout = program(1, 1)(jax.random.key(0), LOGITS)
    assert {leaf.shape for leaf in jax.tree.leaves(rollout)} == {(1, 1)}


def test_collect_gives_the_declared_dtypes():
    rollout = sampled()[2]
    assert rollout.observation.dtype == rollout.next_observation.dtype == rollout.action.dtype == np.int32
    assert rollout.reward.dtype == np.float32 and rollout.terminated.dtype == rollout.truncated.dtype == bool
