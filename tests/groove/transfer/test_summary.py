"""The summary: statistics of hand-made scores, failed agents, and nothing that JSON cannot represent."""

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from groove.scoring.intervals import FEWEST_UNITS, of_aggregate, of_improvement, of_mean
from groove.scoring.statistics import area_under_curve, cvar, cvar_curve, iqm, shortfall
from groove.scoring.units import Units
from groove.scoring.variance_components import mean_interval
from groove.transfer.summary import CVAR_SHARES, LEVELS, RUNS, columns, rule_rows, summarise, tables
from tests.groove.transfer.handmade import TASKS, scores, timing


def rounded(interval):
    return pytest.approx([interval.estimate, interval.low, interval.high], abs=1e-6)


def with_finals(made, final):
    """Return the scores with the same final scores [S, n] of both rules at all points."""
    curve = np.repeat(final[None, ..., None], made.curves["rule"].shape[-1], axis=-1)
    return replace(made, curves=dict.fromkeys(made.curves, curve), returns=dict.fromkeys(made.returns, final[None]))


@pytest.fixture(scope="module")
def summary():
    return summarise(scores(), ["rule"], [timing("rule"), timing("rule", 6.0), timing("ppo", 1.0)])


SEPARATE = Units.separate(drawn=False, num_tasks=6)


def test_aggregates_are_those_of_the_statistics(summary):
    for rule in ("rule", "ppo"):
        final, found = scores().final(rule), summary["rules"][rule]
        assert found["iqm"] == of_aggregate(final, iqm, SEPARATE)
        assert found["iqm"][0] == pytest.approx(iqm(final.ravel()), abs=1e-6)
        assert found["mean"] == of_mean(final, SEPARATE)
        assert found["optimality_gap"] == of_mean(shortfall(final), SEPARATE)
        areas = area_under_curve(np.array([20.0, 40.0, 80.0]), scores().curves[rule], start=0.0)
        assert found["area_under_curve"] == of_mean(areas, SEPARATE)
        assert found["runs"] == 24 and found["failed"] == 0
        for name in ("iqm", "mean", "optimality_gap", "area_under_curve"):
            assert found[name][1] < found[name][0] < found[name][2]


def test_probability_of_improvement_is_that_of_the_rule_over_each_other_one(summary):
    expected = of_improvement(scores().final("rule"), scores().final("ppo"), SEPARATE)
    assert summary["probability_of_improvement"]["rule"] == {"ppo": expected}
    assert expected[1] < expected[0] < 0.5


def test_costs_are_sums_and_speed_is_steps_over_seconds(summary):
    found = summary["rules"]["rule"]
    assert (found["seconds"], found["compile_seconds"], found["gradient_steps"]) == (8.0, 1.0, 80)
    assert found["env_steps"] == 2000 and found["env_steps_per_second"] == 250
    assert summary["rules"]["ppo"]["env_steps_per_second"] == 1000


def test_lifetimes_and_worst_tasks(summary):
    assert set(summary["lifetimes"]) == {"0.5", "1"} and set(summary["lifetimes"]["1"]) == {"rule", "ppo"}
    part = scores().final("rule")[..., :3]
    assert summary["lifetimes"]["0.5"]["rule"] == of_aggregate(part, iqm, Units.separate(False, 3))
    runs = scores().final("rule")
    expected = [cvar(runs.ravel(), share) for share in CVAR_SHARES]
    assert summary["cvar"]["rule"] == pytest.approx(expected, abs=1e-6) and summary["cvar_over"] == RUNS


LEVEL_TASKS = [("first", 1.0, level) for level in range(4)]


def test_worst_levels_are_chosen_on_one_seed_and_scored_on_the_others():
    final = np.array([[0.1, 0.2, 0.3, 0.4], [0.8, 0.0, 0.4, 0.4]])
    found = summarise(with_finals(scores(tasks=LEVEL_TASKS), final), ["rule"], [])
    # The first seed chooses levels 0, 1, 2, 3; the second 1, then the tie of 2 and 3, then 0.
    on_second, on_first = np.array([0.8, 0.4, 0.4, 0.4]), np.array([0.2, 0.275, 0.3, 0.25])
    expected = np.repeat((on_second + on_first) / 2, 25)
    assert found["cvar"]["rule"] == pytest.approx(expected, abs=1e-6) and found["cvar_over"] == LEVELS


def test_cvar_of_runs_cannot_fall_where_the_choice_on_one_seed_misleads():
    # In the mazes each seed lives on another draw, so a maze that is hard for one seed may be easy for the others.
    first = np.array([-0.3, -0.2, -0.1, 0.5, 0.6, 0.7])
    final = np.stack([first, *3 * [first[::-1]]])
    curve = np.array(summarise(with_finals(scores(), final), ["rule"], [])["cvar"]["rule"])
    assert np.all(np.diff(curve) >= 0) and curve[0] == -0.3 and curve[-1] == pytest.approx(final.mean())
    chosen_on_first = cvar_curve(first, final[1:].mean(axis=0), np.array(CVAR_SHARES))
    assert chosen_on_first[0] == pytest.approx(0.7) and np.all(np.diff(chosen_on_first) <= 1e-9)


def test_cvar_of_levels_without_a_second_seed_is_over_runs():
    made = scores(tasks=LEVEL_TASKS)
    one = replace(made, curves={rule: x[:, :1] for rule, x in made.curves.items()})
    found = summarise(one, ["rule"], [])
    assert found["cvar_over"] == RUNS and np.all(np.diff(found["cvar"]["rule"]) >= 0)


def test_returns_are_means_and_errors_by_environment(summary):
    assert list(summary["returns"]) == ["first x 0.5", "second x 0.5", "third x 0.5", "first", "second", "third"]
    values = scores().returns["ppo"][0, :, 4]
    error = values.std(ddof=1) / 2
    assert summary["returns"]["second"]["ppo"] == pytest.approx([values.mean(), error, 4], abs=1e-6)


def test_failed_agents_are_counted_and_their_scores_are_those_of_the_others():
    # They count as random play, which `suite_scores` has put in their place.
    made = scores()
    failed = made.failed["rule"].copy()
    failed[0, 0, 0], failed[0, :, 1] = True, True
    found = summarise(replace(made, failed=made.failed | {"rule": failed}), ["rule"], [])
    expected = summarise(made, ["rule"], [])
    assert found["rules"]["rule"] == expected["rules"]["rule"] | {"failed": 5} and found["rules"]["ppo"]["failed"] == 0
    assert found["returns"]["second x 0.5"]["rule"] == [*expected["returns"]["second x 0.5"]["rule"][:2], 0]
    assert found["returns"]["first x 0.5"]["rule"][2] == 3 and rule_rows(found)[0][5] == "5"
    assert {name: found[name] for name in found if name not in ("rules", "returns")} == {
        name: expected[name] for name in expected if name not in ("rules", "returns")
    }


def test_several_learned_rules_are_compared_and_never_pooled():
    made = scores(("one", "two", "ppo"))
    found = summarise(made, ["one", "two"], [])
    assert list(found["rules"]) == ["one", "two", "ppo"]
    better = found["probability_of_improvement"]
    assert {rule: list(others) for rule, others in better.items()} == {"one": ["two", "ppo"], "two": ["one", "ppo"]}
    assert better["one"]["two"][0] == pytest.approx(1 - better["two"]["one"][0])
    assert columns(found)[4:6] == ["P(one better)", "P(two better)"]
    estimate, low, high = better["two"]["one"]
    assert rule_rows(found)[0][4:6] == ["", f"{estimate:.3f} [{low:.3f}, {high:.3f}]"]
    assert "P(two better)" in drawn(found)


def with_group(num_seeds, tasks=TASKS):
    """Scores of a group of that many rules and of PPO, and the names of the rules."""
    names = [f"rule-{seed}" for seed in range(num_seeds)]
    made = scores((*names, "ppo"), tasks)

    def joined(values):
        return {"group": np.concatenate([values[name] for name in names]), "ppo": values["ppo"]}

    steps = {rule: made.steps["ppo"] for rule in ("group", "ppo")}
    parts = {name: joined(getattr(made, name)) for name in ("curves", "returns", "failed")}
    return replace(made, **parts, steps=steps), names


def test_rules_of_a_group_are_one_rule():
    made, names = with_group(2)
    found = summarise(made, ["group"], [timing("rule-0"), timing("rule-1", 6.0), timing("ppo", 1.0)], {"group": names})
    own, final = found["rules"]["group"], made.final("group")
    assert own["meta_seeds"] == 2 and own["runs"] == 48 and own["seconds"] == 8.0 and own["env_steps"] == 2000
    assert list(found["probability_of_improvement"]) == ["group"] and columns(found)[4] == "P(rule better)"
    # The error of a mean is over the meta-seeds, and the seeds that they share add nothing here.
    means = made.returns["group"][:, :, 4].mean(axis=1)
    expected = [means.mean(), abs(means[0] - means[1]) / 2, 8]
    assert found["returns"]["second"]["group"] == pytest.approx(expected, abs=1e-6)
    assert own["mean"][1:] == [None, None], "two meta-seeds are too few for an interval"
    assert found["cvar"]["group"] == pytest.approx([cvar(final.ravel(), share) for share in CVAR_SHARES], abs=1e-6)
    assert "meta_seeds" not in found["rules"]["ppo"]


def test_few_meta_seeds_give_an_interval_to_means_alone():
    made, _ = with_group(3)
    found = summarise(made, ["group"], [])
    own, final = found["rules"]["group"], made.final("group")
    assert own["iqm"] == [pytest.approx(iqm(final.ravel()), abs=1e-6), None, None]
    assert found["probability_of_improvement"]["group"]["ppo"][1:] == [None, None]
    for name, values in (("mean", final), ("optimality_gap", shortfall(final))):
        assert own[name] == rounded(mean_interval(list(np.moveaxis(values, 2, 0))))
    assert rule_rows(found)[0][1:3] == [f"{own['iqm'][0]:.3f}", "{:.3f} [{:.3f}, {:.3f}]".format(*own["mean"])]


@pytest.mark.parametrize("tasks", [TASKS, [("first", 1.0, level) for level in range(20)]], ids=["fixed", "drawn"])
def test_five_meta_seeds_are_crossed_with_the_other_units(tasks):
    made, _ = with_group(FEWEST_UNITS, tasks)
    found, final = summarise(made, ["group"], []), made.final("group")
    own, units = found["rules"]["group"], made.units
    assert units.drawn == (len(tasks) == 20)
    assert own["iqm"] == of_aggregate(final, iqm, units) and None not in own["iqm"]
    assert own["mean"] == rounded(
        mean_interval([final.mean(axis=1)] if units.drawn else list(np.moveaxis(final, 2, 0)))
    )
    expected = of_improvement(made.returns["group"], made.returns["ppo"], units)
    assert found["probability_of_improvement"]["group"]["ppo"] == expected and None not in expected


def test_summary_without_learned_rules_or_tasks():
    found = summarise(scores(), [], [])
    assert found["probability_of_improvement"] == {} and "iqm" in found["rules"]["ppo"]
    assert found["rules"]["ppo"]["env_steps_per_second"] is None
    empty = replace(scores(), tasks=[], curves={}, steps={}, excluded=TASKS)
    found = summarise(empty, ["rule"], [])
    assert found["tasks"] == 0 and set(found["rules"]) == {"rule", "ppo"} and len(found["excluded"]) == 6
    # Neither returns nor the probability of improvement need a scale.
    assert len(found["returns"]) == 6 and found["probability_of_improvement"]["rule"]["ppo"][0] < 0.5
    json.dumps(found, allow_nan=False)
    assert "6 more tasks have no scale" in drawn(found)


def test_lives_with_fewer_updates_than_points_have_an_area():
    # A life of two updates has one of its three points at the start.
    made = scores()
    steps = made.steps | {"rule": np.tile([0.0, 40.0, 40.0], (6, 1))}
    found = summarise(replace(made, steps=steps), ["rule"], [])
    expected = area_under_curve(np.array([40.0]), made.curves["rule"][..., 2:], start=0.0)
    assert found["rules"]["rule"]["area_under_curve"] == of_mean(expected, SEPARATE)


def test_scores_without_steps_have_their_height_as_area():
    made = scores(("rule", "random"), exact=True)
    random = made.curves["random"][..., :1]
    made = replace(
        made, curves=made.curves | {"random": random}, steps=made.steps | {"random": np.zeros((len(TASKS), 1))}
    )
    found = summarise(made, ["rule"], [])
    assert found["normalised_by"] == "exact values"
    assert found["rules"]["random"]["area_under_curve"][0] == pytest.approx(random.mean(), abs=1e-6)


def drawn(found):
    text = StringIO()
    console = Console(width=160, file=text)
    for table in tables({"own": found}):
        console.print(table)
    return text.getvalue()


def test_tables_show_rules_and_returns(summary):
    text = drawn(summary)
    estimate, low, high = summary["rules"]["rule"]["iqm"]
    assert f"{estimate:.3f} [{low:.3f}, {high:.3f}]" in text and "own: 6 tasks" in text
    mean, error, _ = summary["returns"]["third"]["ppo"]
    assert f"{mean:.3f} ± {error:.3f}" in text and "no scale" not in text
    row = rule_rows(summary)[1]
    assert row[0] == "ppo" and row[-1] == "40" and row[-2] == "1k" and row[5] == "0"
