"""What a learned rule gains on the same tasks: by hand, in parts of a suite, tuned against tuned."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from groove.scoring.intervals import of_mean
from groove.scoring.statistics import iqm
from groove.transfer.differences import differences
from groove.transfer.summary import summarise, tables
from tests.groove.transfer.handmade import scores

LEVELS = [(name, 1.0, level) for name in ("first", "second") for level in range(20)]


def test_parts_are_the_suite_its_environments_and_its_lifetimes():
    found = differences(scores(), ["rule"])["rule"]["ppo"]
    assert list(found) == ["all", "first", "second", "third", "x 0.5", "x 1"]
    assert list(differences(scores(tasks=LEVELS[:20]), ["rule"])["rule"]["ppo"]) == ["all"]


def test_differences_by_hand():
    made = scores(tasks=LEVELS)
    found = differences(made, ["rule"])["rule"]["ppo"]
    ours, theirs = (made.final(rule)[..., 20:] for rule in ("rule", "ppo"))
    units = made.units.of_tasks(list(range(20, 40)))
    assert found["second"]["mean"] == of_mean(ours - theirs, units)
    estimate, low, high = found["second"]["iqm"]
    assert estimate == pytest.approx(iqm(ours.ravel()) - iqm(theirs.ravel()), abs=1e-6) and low < estimate < high < 0
    # The two worst of twenty levels, chosen on each seed in turn and scored on the other three.
    worst = [
        np.mean([np.delete(side[0], k, 0).mean(0)[np.argsort(side[0, k])[:2]].mean() for k in range(4)])
        for side in (ours, theirs)
    ]
    assert found["second"]["worst_tenth"] == [pytest.approx(worst[0] - worst[1], abs=1e-6), None, None]


def test_intervals_of_paired_differences_leave_out_what_the_rules_share():
    # Levels differ by far more than the rules do on any of them.
    made, heights = scores(tasks=LEVELS), np.linspace(-50, 50, len(LEVELS))[:, None]
    apart = replace(made, curves={rule: x + heights for rule, x in made.curves.items()})
    plain, found = (differences(one, ["rule"])["rule"]["ppo"]["all"] for one in (made, apart))
    assert found["mean"] == pytest.approx(plain["mean"], abs=1e-6)
    assert found["iqm"][2] - found["iqm"][1] < 1


def test_groups_are_compared_with_one_rule_by_file_and_with_each_other_without_pairs():
    names = [f"rule-{seed}" for seed in range(8)]
    made = scores((*names, "ppo"), LEVELS)

    def joined(values, few):
        parts = {"group": names[:5], "other": names[5 : 5 + few], "ppo": ["ppo"]}
        return {group: np.concatenate([values[name] for name in own]) for group, own in parts.items()}

    fields = {name: joined(getattr(made, name), 3) for name in ("curves", "returns", "failed")}
    found = differences(replace(made, **fields), ["group"])["group"]
    less = joined(made.curves, 3)["group"][..., -1] - made.final("ppo")
    assert found["ppo"]["all"]["mean"] == of_mean(less, made.units) and None not in found["ppo"]["all"]["mean"]
    assert found["other"]["all"]["mean"][1:] == found["other"]["all"]["iqm"][1:] == [None, None]
    # Seen from the other side, the interval is the same.
    mirrored = differences(replace(made, **fields), ["ppo"])["ppo"]["group"]["all"]["mean"]
    assert mirrored == pytest.approx([-found["ppo"]["all"]["mean"][n] for n in (0, 2, 1)], abs=1e-6)


def test_tuned_rules_are_compared_with_tuned_ones():
    made = scores(("rule", "rule (tuned)", "ppo", "ppo (tuned)"))
    found = differences(made, ["rule", "rule (tuned)"])
    assert {ours: list(others) for ours, others in found.items()} == {
        "rule": ["ppo"],
        "rule (tuned)": ["ppo (tuned)"],
    }


def test_summary_prints_them_and_nothing_without_tasks():
    text = StringIO()
    summary = summarise(scores(), ["rule"], [])
    for table in tables({"own": summary}):
        Console(file=text, width=120).print(table)
    assert "own: rule minus others on the same tasks" in text.getvalue()
    estimate = summary["differences"]["rule"]["ppo"]["x 0.5"]["mean"][0]
    assert any("x 0.5" in line and f"{estimate:+.3f} [" in line for line in text.getvalue().splitlines())
    empty = replace(scores(), tasks=[], curves={}, steps={}, excluded=scores().tasks)
    assert differences(empty, ["rule"]) == {}
