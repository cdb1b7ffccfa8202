"""Simulated coverage: intervals that are printed cover the truth, in small experiments and in the recorded ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.coverage import DESIGNS, FIGURES, SPREADS, WIDTH, Design, covered, main, table
from benchmarks.readme_tables import PUBLISHED
from groove.scoring.intervals import of_aggregate, of_mean

RECORDED = PUBLISHED / "coverage" / "coverage.json"


@pytest.mark.parametrize(
    ("design", "dominates"),
    [
        (Design(5, True, 5, 1), "meta-seeds"),
        (Design(1, True, 5, 2), "runs"),
        (Design(1, True, 5, 1, distributions=3, gap=10), "units"),
        (Design(1, False, 2, 4), "units"),
        (Design(1, False, 2, 4, gap=10), "units"),
        (Design(1, False, 3, 4, gap=10), "runs"),
        (Design(1, False, 3, 6, shared=True, gap=2), "units"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.title,
)
def test_intervals_cover_the_truth(design, dominates):
    # The standard error of a coverage of .95 is .011.
    found = covered(design, dominates, 400)
    assert 0.92 <= found["mean"] <= 0.98
    assert min(found["IQM"], found["P(rule better)"]) >= 0.89


@pytest.mark.parametrize("shared", [False, True])
def test_fixed_tasks_apart_do_not_widen_the_interval_of_their_seeds(shared):
    draws, design = np.random.default_rng(0), Design(3, False, 4, 5, shared=shared, gap=10)
    scores = draws.normal(size=(3, 5, 4))
    together, apart = (of_mean(x, design.units) for x in (scores, scores + design.task_means))
    assert apart == pytest.approx(together, abs=1e-5)
    design = replace(design, meta_seeds=5)
    together, apart = (covered(own, "units", 5)["P(rule better)"] for own in (replace(design, gap=0.0), design))
    assert apart == together


def test_distributions_apart_do_not_widen_the_interval_of_their_levels():
    # Trap: pooled, levels of distributions 10 apart gave intervals that were ten times too wide and always covered.
    draws, design = np.random.default_rng(0), Design(1, True, 8, 1, distributions=3, gap=10)
    scores = draws.normal(size=(1, 1, 24))
    for figure in (of_mean, lambda scores, units: of_aggregate(scores, _mean, units)):
        together, apart = (figure(x, design.units) for x in (scores, scores + design.task_means))
        assert apart == pytest.approx(together, abs=1e-5)


def _mean(rows):
    return rows.mean(axis=1)


def test_means_of_three_meta_seeds_cover_where_nothing_dominates():
    # With Satterthwaite's degrees of freedom as they are, .924. The standard error of a coverage of .94 is .004.
    draws = np.random.default_rng(0)
    units, size = Design(3, True, 32, 1).units, 3000
    scores = (
        draws.normal(size=(size, 3, 1, 1)) + draws.normal(size=(size, 1, 1, 32)) + draws.normal(size=(size, 3, 1, 32))
    )
    ends = np.array([of_mean(own, units)[1:] for own in scores], float)
    assert 0.932 <= np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) <= 0.98


@pytest.mark.parametrize("dominates", SPREADS)
def test_means_of_three_meta_seeds_cover_and_nothing_else_is_printed(dominates):
    for drawn in (True, False):
        found = covered(Design(3, drawn, 16, 4), dominates, 400)
        assert 0.91 <= found["mean"] <= 0.99 and found[WIDTH] < 5.5 and found["IQM"] is found["P(rule better)"] is None
    assert set(covered(Design(2, True, 16, 1), dominates, 2).values()) == {None}


@pytest.mark.parametrize(
    "design",
    [
        Design(5, False, 4, 1),
        Design(5, False, 4, 2),
        Design(5, True, 3, 4),
        Design(8, False, 1, 2),
        # Trap: with means far apart, the IQM of these is that of one or two tasks, and covered .885 and .874.
        Design(1, False, 3, 3, gap=10),
        Design(1, False, 4, 3, gap=10),
        # Trap: four levels of each of three distributions far apart covered .888.
        Design(1, True, 4, 1, distributions=3, gap=10),
    ],
)
def test_many_meta_seeds_do_not_make_up_for_few_units(design):
    # Trap: gated by meta-seeds alone, IQMs over one, two and three units covered .2, .86 and .79.
    found = covered(design, "units", 2)
    assert found["IQM"] is found["P(rule better)"] is None and (found["mean"] is None) == (
        design.seeds == 1 and not design.drawn
    )


def test_recorded_simulations_are_those_of_today_and_all_that_is_printed_covers():
    content = json.loads(RECORDED.read_text())
    assert content["simulations"] == 2000
    expected = [(design.title, name) for design in DESIGNS for name in list(SPREADS)[design.meta_seeds == 1 :]]
    assert [(row["title"], row["dominates"]) for row in content["rows"]] == expected
    for row in content["rows"]:
        # In 2,000 simulations, the standard error of a coverage of .93 is .006.
        assert row["mean"] is None or 0.93 <= row["mean"] <= 0.98, row
        assert all(row[name] is None or row[name] >= 0.9 for name in FIGURES), row
        # Student's distribution of two degrees of freedom, those of three rule files, alone makes this 4.7.
        assert row["mean"] is None or row[WIDTH] <= 5, row


def test_command_writes_what_the_table_shows(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.coverage.DESIGNS", (Design(1, False, 1, 5), Design(2, False, 1, 5)))
    main(["--simulations", "2", "--out", str(tmp_path)])
    content = json.loads((tmp_path / "coverage.json").read_text())
    titles, *lines = table(content)
    assert titles == ("rule files and units", *FIGURES, WIDTH)
    assert [line[0] for line in lines] == [
        "1 rule file, 1 fixed task × 5 seeds",
        "2 rule files, 1 fixed task × 5 seeds",
    ]
    assert lines[1][1:] == ("none",) * (len(FIGURES) + 1) and "–" in lines[0][1]
    with pytest.raises(SystemExit):
        main(["--simulations", "0"])
