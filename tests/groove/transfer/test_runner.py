"""Lives of contestants: independent of the rest of their batch, counted in steps and updates, with their own keys."""

import math
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from groove.transfer.contestants import Contestant, hand_written, learned
from groove.transfer.runner import Setting, groups
from lpg.rules.lpg import LPG
from lpg.settings import RuleSettings
from tests.groove.transfer import tiny
from tests.groove.transfer.tiny import SETTING

NINE = replace(SETTING, num_seeds=9)


@cache
def contestant(name):
    if name != "lpg":
        return hand_written(name)
    rule = LPG(RuleSettings(prediction_size=2, hidden_size=2, embedding_size=2))
    return Contestant("lpg", rule, jax.jit(rule.init)(jax.random.key(0)), config=tiny.CONFIG)


def rows_of(runner, environments, who, done=frozenset()):
    return [row for batch in runner.run(environments, [who], set(done)) for row in batch.rows]


@cache
def rows_of_nine(name, chunk, num_devices=1):
    """Rows of nine lives, in batches of 4 or 10 places."""
    return rows_of(tiny.runner(NINE, chunk, num_devices), [tiny.catch()], contestant(name))


@pytest.mark.parametrize("name", ["lpg", "ppo", "random"])
def test_lives_do_not_depend_on_the_rest_of_their_batch(name):
    expected = rows_of_nine(name, 4)
    assert len(expected) == 9 * (1 if name == "random" else 2)
    assert rows_of_nine(name, 64) == expected
    assert len({row.value for row in expected}) > 1


def test_lives_do_not_depend_on_the_devices():
    assert rows_of_nine("a2c", 4, num_devices=2) == rows_of_nine("a2c", 4)


def test_lives_in_batches_of_a_chunk():
    batches = list(tiny.runner(NINE, 4).run([tiny.catch()], [contestant("lpg")], set()))
    assert [len(batch.rows) for batch in batches] == [8, 8, 2]
    assert all(batch.compile_seconds < 0.1 and batch.seconds > 0 for batch in batches[1:])
    assert len(list(tiny.runner(NINE, 64).run([tiny.catch()], [contestant("lpg")], set()))) == 1


def test_finished_runs_are_left_out_without_changing_others():
    expected = rows_of_nine("a2c", 4)
    done = {row.run for row in expected if row.seed in (0, 3, 4, 5)}
    left = rows_of(tiny.runner(NINE, 4), [tiny.catch()], contestant("a2c"), done)
    assert left == [row for row in expected if row.run not in done]
    assert rows_of(tiny.runner(NINE, 4), [tiny.catch()], contestant("a2c"), {row.run for row in expected}) == []


@pytest.mark.parametrize(("name", "descents"), [("lpg", 1), ("ppo", 16), ("a2c", 1)])
def test_rows_count_steps_updates_and_gradient_steps(name, descents):
    # 200 steps are ten updates of four workers' five steps, evaluated halfway and at the end.
    rows = rows_of_nine(name, 4)
    assert {(row.step, row.updates, row.gradient_steps) for row in rows[0::2]} == {(100, 5, 5 * descents)}
    assert {(row.step, row.updates, row.gradient_steps) for row in rows[1::2]} == {(200, 10, 10 * descents)}
    assert [row.seed for row in rows] == [seed for seed in range(9) for _ in range(2)]
    assert {row.run[:5] for row in rows} == {("own", "catch", 1.0, 0, name)}


@pytest.mark.parametrize("name", ["lpg", "a2c", "random"])
def test_returns_are_means_over_the_episodes_of_the_environment(name):
    # Returns of single episodes are integers, so over four episodes all means would be quarters.
    values = np.array([row.value for row in rows_of_nine(name, 4)])
    np.testing.assert_allclose(7 * values, np.round(7 * values), atol=1e-5)
    assert np.any(4 * values != np.round(4 * values))


@pytest.mark.parametrize("episodes", [300, 4])
def test_more_episodes_lower_the_spread_of_returns(episodes):
    # An episode is three coins of ±1.
    values = [row.value for row in rows_of(tiny.runner(NINE, 64), [tiny.coin(episodes)], contestant("random"))]
    error = math.sqrt(3 / episodes)
    assert error / 2 < np.std(values, ddof=1) < 2 * error and abs(np.mean(values)) < error


def test_random_actions_take_no_updates():
    assert {(row.step, row.updates, row.gradient_steps) for row in rows_of_nine("random", 4)} == {(0, 0, 0)}


def test_a_quarter_of_the_seeds_lives_on_every_level_of_a_grid():
    rows = rows_of(tiny.runner(replace(SETTING, num_seeds=8)), [tiny.grid()], contestant("a2c"))
    assert [(row.level, row.seed) for row in rows[::2]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {(row.updates, row.lifetime) for row in rows[1::2]} == {(5, 0.02)}
    assert {row.updates for row in rows[::2]} == {2}
    alone = rows_of(tiny.runner(), [tiny.grid(every_level=False)], contestant("a2c"))
    assert alone == [row for row in rows if row.level == row.seed]


def test_the_first_seed_is_that_of_the_setting():
    later = replace(SETTING, num_seeds=4, first_seed=5)
    expected = [row for row in rows_of_nine("a2c", 4) if row.seed >= 5]
    assert rows_of(tiny.runner(later), [tiny.catch()], contestant("a2c")) == expected


def test_contestants_of_one_rule_live_side_by_side_with_their_own_settings():
    plain = contestant("a2c")
    own = plain.configuration(tiny.catch())
    mad = replace(own, hyper=replace(own.hyper, learning_rate=own.hyper.learning_rate * math.inf))
    variants = [replace(plain, name="mad", tuned={"own: vector": mad}), replace(plain, name="plain")]
    longer = replace(own, workers=2, rollout_length=20, fields={"discount": 0.5})
    variants += [replace(plain, name="longer", tuned={"own: vector": longer})]
    batch, other = tiny.runner(SETTING).run([tiny.catch()], variants, set())
    # Another shape has another program, and as many steps.
    assert [(row.rule, row.step, row.updates, row.gradient_steps) for row in other.rows[:2]] == [
        ("longer", 80, 2, 2),
        ("longer", 200, 5, 5),
    ]
    assert {row.step for row in batch.rows} == {100, 200} and all(math.isfinite(row.value) for row in other.rows)
    assert [row.rule for row in batch.rows] == ["mad"] * 4 + ["plain"] * 4
    # Agents that break have no return.
    assert all(math.isnan(row.value) for row in batch.rows[:4])
    expected = [replace(row, rule="plain") for row in rows_of_nine("a2c", 4) if row.seed < 2]
    assert batch.rows[4:] == expected


def test_ppo_lives_with_continuous_actions():
    rows = rows_of(tiny.runner(), [tiny.slide()], contestant("ppo"))
    assert len(rows) == 4 and all(-1 <= row.value <= 1 for row in rows)


def test_keys_of_lives_are_the_same_for_every_rule_and_depend_on_the_life_alone():
    seeds, levels = np.arange(4), np.zeros(4, int)
    keys = jax.random.key_data(tiny.catch().life_keys(levels, seeds))
    assert np.array_equal(jax.random.key_data(tiny.catch().life_keys(levels[2:], seeds[2:])), keys[2:])
    others = [
        tiny.catch().life_keys(levels + 1, seeds),
        tiny.catch("other").life_keys(levels, seeds),
        tiny.catch(suite="other").life_keys(levels, seeds),
    ]
    everything = np.concatenate([keys, *map(jax.random.key_data, others)])
    assert len({tuple(key) for key in everything}) == 16
    # Agents with a learning rate of 0 act alike, whatever their rule.
    own = {name: contestant(name).configuration(tiny.catch()) for name in ("a2c", "ppo")}
    still = [
        replace(contestant(name), tuned={"own: vector": replace(by, hyper=jax.tree.map(lambda x: 0 * x, by.hyper))})
        for name, by in own.items()
    ]
    runner = tiny.runner(replace(SETTING, num_seeds=4))
    first, second = ([row.value for row in rows_of(runner, [tiny.catch()], who)] for who in still)
    assert first == second


def test_groups_share_worlds_torsos_and_budgets():
    first, second, longer = tiny.catch(), tiny.catch("second"), tiny.catch("longer", num_steps=400)
    dense, twin = replace(first, torso="dense"), tiny.catch("twin", num_steps=219)
    # As many updates, but with other workers; as many workers, but other episodes.
    busy, measured = replace(first, workers=8, num_steps=400), replace(first, episodes=5)
    found = groups([first, longer, dense, second, tiny.grid(), twin, busy, measured])
    assert found == [[first, second, twin], [longer], [dense], [tiny.grid()], [busy], [measured]]
    assert tiny.runner().num_lives([first, second, tiny.grid()]) == 6


@pytest.mark.parametrize("field", ["num_seeds", "num_points"])
def test_setting_refuses_counts_below_one(field):
    with pytest.raises(ValueError, match=f"Setting.{field} must be >= 1, got 0"):
        Setting(**{"num_seeds": 1, field: 0})


def test_a_rule_from_its_file_lives_as_the_rule_does(tmp_path):
    who = replace(learned(tiny.save(tmp_path / "lpg.safetensors")), meta_params=contestant("lpg").meta_params)
    assert rows_of(tiny.runner(NINE, 4), [tiny.catch()], who) == rows_of_nine("lpg", 4)
