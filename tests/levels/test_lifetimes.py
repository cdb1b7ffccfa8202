"""Step budgets in updates."""

from levels.lifetimes import updates_in


def test_updates_in_counts_whole_updates_of_1280_steps():
    assert updates_in(1280) == updates_in(2559) == 1
    assert updates_in(2560) == 2
    assert updates_in(3_000_000) == 2343
