"""Scores worked by hand: exact anchors by level, anchors from runs, tasks without a scale, broken agents."""

from dataclasses import replace

import numpy as np
import pytest

from groove.transfer.scores import as_random_play, suite_scores
from groove.transfer.summary import summarise
from tests.groove.transfer.handmade import TASKS, environment, rows, scores

NAN = float("nan")


def test_exact_scores_use_the_anchors_of_each_seeds_level():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0])
    found = suite_scores([exact], rows("rule", [[0.5, 1.0], [1.0, 3.0], [2.0, 2.0]]))
    # Seeds 0 and 2 live on level 0, between 0 and 2; seed 1 on level 1, between 1 and 5.
    np.testing.assert_allclose(found.curves["rule"][0, :, 0], [[0.25, 0.5], [0.0, 0.5], [1.0, 1.0]])
    np.testing.assert_allclose(found.final("rule")[0], [[0.5], [0.5], [1.0]])
    np.testing.assert_array_equal(found.returns["rule"][0], [[1.0], [3.0], [2.0]])
    np.testing.assert_array_equal(found.steps["rule"], [[40.0, 80.0]])
    assert found.exact and found.tasks == [("e", 1.0, -1)] and found.excluded == [] and found.suite == "own"


def test_levels_that_every_seed_lives_on_are_tasks_of_their_own():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0], every_level=True)
    lived = rows("rule", [[1.0], [2.0]], levels=[0, 0]) + rows("rule", [[3.0], [1.0]], levels=[1, 1])
    found = suite_scores([exact], lived)
    assert found.tasks == [("e", 1.0, 0), ("e", 1.0, 1)]
    np.testing.assert_allclose(found.final("rule")[0], [[0.5, 0.5], [1.0, 0.0]])


def test_scores_do_not_depend_on_the_order_of_the_rows():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0])
    lived = rows("rule", [[0.5, 1.0], [1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_array_equal(
        suite_scores([exact], lived[::-1]).curves["rule"], suite_scores([exact], lived).curves["rule"]
    )


def test_random_actions_are_a_rule_like_any_other_if_anchors_are_exact():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0])
    found = suite_scores([exact], rows("rule", [[1.0]]) + rows("random", [[0.5]]))
    np.testing.assert_allclose(found.final("random")[0], [[0.25]])


def anchored(random, ppo, rule=((2.0,), (4.0,)), name="e"):
    return rows("random", random, name) + rows("ppo", ppo, name) + rows("rule", rule, name)


def test_scores_without_exact_anchors_run_from_random_actions_to_ppo():
    # On average, random actions return 1 and PPO returns 5, whatever the level.
    found = suite_scores([environment()], anchored([[0.9], [1.1]], [[3.0, 4.8], [3.0, 5.2]], [[2.0, 3.0], [1.0, 7.0]]))
    assert not found.exact and set(found.curves) == {"ppo", "rule"}
    np.testing.assert_allclose(found.curves["rule"][0, :, 0], [[0.25, 0.5], [0.0, 1.5]])
    np.testing.assert_allclose(found.final("ppo")[0], [[0.95], [1.05]])
    np.testing.assert_array_equal(found.returns["rule"][0], [[3.0], [7.0]])


def test_failed_agents_count_as_random_play():
    # Random actions return 1, so PPO's mean is (6 + 1 + 7 + 6) / 4 = 5.
    ppo, rule = [[6.0], [NAN], [7.0], [6.0]], [[3.0], [NAN], [3.0], [9.0]]
    found = suite_scores([environment()], anchored([[1.0]] * 4, ppo, rule))
    np.testing.assert_allclose(found.final("rule")[0], [[0.5], [0.0], [0.5], [2.0]])
    np.testing.assert_array_equal(found.returns["rule"][0], [[3.0], [1.0], [3.0], [9.0]])
    np.testing.assert_array_equal(found.failed["rule"], found.failed["ppo"])
    np.testing.assert_array_equal(found.failed["rule"][0], [[False], [True], [False], [False]])


def test_failed_agents_count_as_random_play_on_their_own_level_from_the_point_of_failure():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0])
    found = suite_scores([exact], rows("rule", [[1.0, NAN], [3.0, NAN], [2.0, 1.0]]))
    np.testing.assert_allclose(found.curves["rule"][0, :, 0], [[0.5, 0.0], [0.5, 0.0], [1.0, 0.5]])
    np.testing.assert_array_equal(found.returns["rule"][0], [[0.0], [1.0], [1.0]])
    assert found.failed["rule"].sum() == 2


def test_a_rule_whose_agents_fail_does_not_beat_a_sound_one():
    # Trap: left out of the mean, the failures would give "lucky" a score of 0.9.
    exact = environment(random=[0.0, 0.0], optimum=[1.0, 1.0])
    found = suite_scores([exact], rows("lucky", [[0.9], [NAN]] * 2) + rows("sound", [[0.6], [0.6]] * 2))
    assert found.final("lucky").mean() == pytest.approx(0.45) and found.final("sound").mean() == pytest.approx(0.6)
    own = {rule: summarise(found, [], [])["rules"][rule] for rule in ("lucky", "sound")}
    assert own["lucky"]["mean"][0] == 0.45 and own["lucky"]["failed"] == 2 and own["sound"]["failed"] == 0
    assert own["lucky"]["iqm"][0] < own["sound"]["iqm"][0]


def test_without_random_play_a_failed_agent_has_the_lowest_return_in_its_task():
    environments = [environment("known", random=[0.0, 1.0], optimum=[1.0, 2.0]), environment("unknown")]
    failed, sound = (rows("rule", [[NAN], [value]], name) for name, value in (("known", 0.5), ("unknown", 7.0)))
    made = as_random_play(environments, [*failed, *sound, *rows("other", [[3.0], [4.0]], "unknown")])
    assert [row.value for row in made] == [0.0, 0.5, 3.0, 7.0, 3.0, 4.0]
    assert [row.value for row in as_random_play(environments, rows("rule", [[NAN]], "unknown"))] == [0.0]


def test_units_are_levels_where_all_seeds_live_on_them_and_otherwise_what_a_seed_drew():
    lifetimes = [environment(lifetime=factor, random=[0, 0], optimum=[1, 1]) for factor in (0.5, 1.0)]
    lifetimes.append(environment("fixed", random=[0], optimum=[1], num_levels=1))
    lived = [row for own in lifetimes for row in rows("rule", [[0.0]] * 4, own.name, own.lifetime, [0] * 4)]
    units = suite_scores(lifetimes, lived).units
    assert not units.drawn and units.clusters.tolist() == [0, 0, 1] and units.counts(4) == [2, 2]
    drawn = [replace(own, every_level=True) for own in lifetimes[:2]]
    lived = [row for own in drawn for n in (0, 1) for row in rows("rule", [[0.0]], own.name, own.lifetime, [n])]
    units = suite_scores(drawn, lived).units
    assert units.drawn and units.clusters.tolist() == [0, 1, 0, 1] and units.strata.tolist() == [0] * 4


def test_levels_of_each_distribution_are_a_stratum():
    # Levels of a distribution score alike, and distributions 0, 0.5 and 1: only which distributions there are differs.
    names, returns = ("low", "middle", "high"), (0.0, 0.5, 1.0)
    suite = [environment(name, 1.0, [0.0] * 8, [1.0] * 8, every_level=True, num_levels=8) for name in names]
    lived = [
        row
        for name, value in zip(names, returns, strict=True)
        for level in range(8)
        for row in rows("rule", [[value]], name, levels=[level])
    ]
    found = suite_scores(suite, lived)
    assert found.units.strata.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    own = summarise(found, [], [])["rules"]["rule"]
    assert own["mean"] == own["iqm"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("ppo", "has_scale"),
    [
        # Both standard errors are √(0.02 / 2) = 0.1, that of the difference is √0.02 = 0.1414, and twice that is 0.283.
        ([[1.2], [1.4]], True),
        ([[1.17], [1.37]], False),
        ([[0.5], [0.7]], False),
        ([[NAN], [NAN]], False),
    ],
)
def test_a_task_in_which_ppo_is_no_better_than_random_actions_has_no_scale(ppo, has_scale):
    clear = anchored([[0.0], [0.0]], [[1.0], [1.0]], name="clear")
    found = suite_scores(
        [environment("clear"), environment("unclear")], clear + anchored([[0.9], [1.1]], ppo, name="unclear")
    )
    task = ("unclear", 1.0, -1)
    assert (task in found.tasks) == has_scale and (task in found.excluded) != has_scale
    assert found.tasks[0] == ("clear", 1.0, -1) and found.final("rule").shape == (1, 2, 1 + has_scale)


def test_one_seed_has_no_error_but_must_gain_something():
    equal = suite_scores([environment()], anchored([[1.0]], [[1.0]], [[1.0]]))
    assert equal.tasks == [] and equal.curves == {} and equal.excluded == [("e", 1.0, -1)]
    assert suite_scores([environment()], anchored([[1.0]], [[1.5]], [[1.0]])).tasks == [("e", 1.0, -1)]


def test_scores_of_one_lifetime_are_those_of_its_tasks():
    whole = scores()
    half = whole.at_lifetime(0.5)
    assert half.tasks == TASKS[:3] and whole.at_lifetime(1.0).tasks == TASKS[3:]
    np.testing.assert_array_equal(half.final("rule"), whole.final("rule")[..., :3])
    np.testing.assert_array_equal(half.returns["ppo"], whole.returns["ppo"][..., :3])
    assert half.steps["ppo"].shape == (3, 3) and whole.at_lifetime(4.0).tasks == []


def test_rules_of_a_group_take_its_name():
    exact = environment(random=[0.0, 1.0], optimum=[2.0, 5.0])
    lived = (
        rows("other", [[1.0]]) + rows("g/seed-4", [[0.5, 1.0]]) + rows("a2c", [[1.0]]) + rows("g/seed-1", [[1.0, 2.0]])
    )
    found = suite_scores([exact], lived, {"g": ["g/seed-4", "g/seed-1"]})
    assert list(found.curves) == list(found.returns) == ["other", "g", "a2c"]
    np.testing.assert_allclose(found.curves["g"], [[[[0.25, 0.5]]], [[[0.5, 1.0]]]])
    np.testing.assert_array_equal(found.returns["g"], [[[1.0]], [[2.0]]])
    np.testing.assert_array_equal(found.steps["g"], [[40.0, 80.0]])
