"""What is printed about a curriculum, checked on levels whose numbers are known."""

import dataclasses
from io import StringIO

import pytest
from rich.console import Console

from groove.report.curriculum_report import groups, noise_note, summary, table, why
from groove.report.curriculum_snapshot import read_snapshot
from tests.groove.kept_levels import CONFIG, kept_buffer, learnability_state, write_run


@pytest.fixture
def snapshot(tmp_path):
    return read_snapshot(write_run(tmp_path / "run", curriculum=kept_buffer()), CONFIG)


@pytest.fixture
def of_sfl(tmp_path):
    config = CONFIG.replaced(curriculum="sfl")
    return read_snapshot(write_run(tmp_path / "sfl", config, learnability_state()), config)


def printed(shown):
    """Return the cells of a table's lines below its header."""
    text = StringIO()
    Console(file=text, width=160).print(shown)
    lines = [line.split() for line in text.getvalue().splitlines()]
    return [line for line in lines if line and (line[0] in ("top", "median", "bottom") or line[0].isdigit())]


@pytest.mark.parametrize(
    ("num_levels", "num_rows", "expected"),
    [
        (20, 2, ([0, 1], [9, 10], [18, 19])),
        (21, 3, ([0, 1, 2], [9, 10, 11], [18, 19, 20])),
        (5, 2, ([0, 1], [2], [3, 4])),
        (3, 2, ([0, 1], [], [2])),
        (1, 5, ([0], [], [])),
        (0, 5, ([], [], [])),
    ],
)
def test_groups_show_no_level_twice(num_levels, num_rows, expected):
    assert tuple(groups(num_levels, num_rows).values()) == expected


def test_groups_are_as_full_as_possible_and_disjoint():
    for num_levels in range(40):
        for num_rows in range(1, 8):
            shown = [row for rows in groups(num_levels, num_rows).values() for row in rows]
            assert shown == sorted(set(shown)) and len(shown) == min(num_levels, 3 * num_rows)


def test_table_shows_everything_about_a_level(snapshot):
    lines = printed(table(snapshot.solved([0]), 1))
    assert [line for line in lines if not line[0].isdigit()] == [["top"], ["median"], ["bottom"]]
    chance = f"{snapshot.chance[0]:.2%}"
    # All levels have two antagonists of the same variance: the lower bound is two standard errors below the regret.
    first = ["12", "0.800", "1.000", "±", "0.100", "0.750", "-0.250", "0.625", "5", "9", "4", "1", chance]
    assert lines[1] == first
    # The median has no optimum because it is not solved; the worst has no score and no chance.
    assert lines[3] == ["4", "0.300", "0.500", "±", "0.100", "0.750", "0.250", "–", *lines[3][8:]]
    assert lines[5][:2] == ["17", "–"] and lines[5][-1] == "0.00%"


def test_table_of_sfl_has_no_visits(of_sfl):
    lines = printed(table(of_sfl, 1))
    assert lines[1] == ["12", "1.000", "–", "–", "-0.250", "–", "9", "25.00%"]


def test_table_fits_a_terminal(snapshot):
    late = snapshot.kept.replace(identity=snapshot.kept.identity + 10**5, parent=snapshot.kept.parent + 10**5)
    shown = table(dataclasses.replace(snapshot, kept=late), 5)
    assert Console(width=200).measure(shown).maximum <= 80


def test_summary_counts(snapshot, of_sfl):
    assert summary(snapshot) == (
        "plr by algorithmic_regret, after generation 20: 5 of 8 levels kept, 13 evicted\n"
        "a batch replays 1 level: 0.7 by score, 0.3 by staleness"
    )
    assert summary(of_sfl).startswith("sfl by learnability, after generation 20: 4 of 8 levels kept")


def test_summary_says_when_replay_begins(tmp_path, snapshot):
    later = dataclasses.replace(snapshot, replay_from=6)
    assert summary(later).splitlines()[1:] == ["no level is replayed before 6 are kept"]
    config = CONFIG.replaced(curriculum="sfl")
    empty = read_snapshot(write_run(tmp_path / "empty", config), config)
    assert summary(empty).splitlines()[1:] == ["the first period of 50 generations is not over"]


def test_why_splits_the_chance(snapshot):
    lines = {line[:16].strip(): line[17:] for line in why(snapshot, 9).splitlines()}
    assert lines["score"] == "0.750 (algorithmic_regret)"
    assert lines["ranked by"] == "0.550, rank 2 of 4 that may be drawn"
    shares = [float(lines[name].split("%")[0]) for name in ("by score", "by staleness", "chance")]
    assert shares[0] + shares[1] == pytest.approx(shares[2], abs=0.002) and min(shares) > 0
    assert lines["age"].startswith("2 generations") and lines["visits"].startswith("1 generation in")
    assert lines["born"] == "in generation 6" and lines["regret"].startswith("0.750 ± 0.100")


@pytest.mark.parametrize(
    ("identity", "chain"),
    [(17, "17 ← 9 ← 4 ← 3 (freshly drawn)"), (12, "12 ← 1 (no longer kept)"), (3, "3 (freshly drawn)")],
)
def test_why_follows_the_parents(snapshot, identity, chain):
    assert why(snapshot, identity).splitlines()[-1].endswith(f"parents        {chain}")


def test_why_says_what_keeps_a_level_from_being_drawn(snapshot):
    assert "may not be drawn: it has no score" in why(snapshot, 17) and "chance         0.000%" in why(snapshot, 17)
    used = snapshot.kept.replace(in_use=snapshot.kept.identity == 12)
    assert "may not be drawn: agents live on it" in why(dataclasses.replace(snapshot, kept=used), 12)


def test_why_of_sfl_shows_neither_age_nor_regret(of_sfl):
    text = why(of_sfl, 9)
    assert "uniform      25.000%" in text and "1 times an equal share" in text
    assert "visits" not in text and "age " not in text and "regret" not in text


def test_why_of_an_unknown_level_says_which_are_kept(snapshot, tmp_path):
    with pytest.raises(ValueError, match=r"^level 5 is not kept; kept: 5 levels with numbers in 3\.\.17$"):
        why(snapshot, 5)
    with pytest.raises(ValueError, match=r"^level 5 is not kept; kept: none$"):
        why(read_snapshot(write_run(tmp_path / "empty"), CONFIG), 5)


def test_noise_note_is_there_where_a_return_exceeds_the_optimum(snapshot):
    solved = snapshot.solved([0, 1, 2, 3, 4])
    # By score: antagonists .75, .875, .75, .75, .5; optima .625, 1, .875, .75, .5.
    assert "can exceed the exact optimum" in noise_note(solved, [1, 0])
    assert noise_note(solved, [1, 2, 3, 4]) is None
    assert noise_note(snapshot, [0]) is None, "an optimum that is not known is not exceeded"
    lucky = solved.kept.replace(agent_return=solved.kept.extras.optimal_return + 0.01)
    assert noise_note(dataclasses.replace(solved, kept=lucky), [3]) is not None
    rounded = solved.kept.replace(agent_return=solved.kept.extras.optimal_return + 1e-6)
    assert noise_note(dataclasses.replace(solved, kept=rounded), [3]) is None, "both print alike"
