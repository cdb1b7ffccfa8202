"""Measurements at the smallest sizes: which readings appear and how their ratios are formed, never their times."""

import pytest

from benchmarks import curriculum, generation, lifetimes, scaling, solver, worlds
from tests.smallest_run import SMALLEST, stub_populations

CONSTANT = SMALLEST.replaced(lifetime=(3, 3))


@pytest.fixture
def stubbed(monkeypatch):
    stub_populations(monkeypatch)


def _medians(readings):
    return {reading.metric: reading.median for reading in readings}


def test_worlds_have_a_reading_each():
    names = ["chain_short", "classic/MountainCar"]
    readings = worlds.measure(names, num_levels=1, num_workers=2, num_rollouts=2, repeats=2)
    assert [reading.name for reading in readings] == names
    assert all(reading.repeats == 2 and reading.min > 0 for reading in readings)


def test_steps_of_a_world_are_counted(monkeypatch):
    monkeypatch.setattr(worlds, "seconds_of", lambda action, repeats: [2.0])
    (reading,) = worlds.measure(["chain_short"], num_levels=3, num_workers=5, num_rollouts=7)
    # Over two devices, in rollouts of 20 steps, in 2 seconds.
    assert reading.median == 2 * 3 * 5 * 7 * 20 / 2


def test_unknown_worlds_are_named():
    with pytest.raises(ValueError, match="no environment 'Pong' in suite minatar; known: Asterix"):
        worlds.world_and_levels("minatar/Pong", 1)


def test_generation_is_set_beside_its_floors(stubbed, monkeypatch):
    monkeypatch.setitem(generation.TRIAD_MEGABYTES, "cpu", 1)
    found = _medians(generation.speed("smallest", CONSTANT.to_json(), repeats=1))
    assert found["env steps"] == pytest.approx(4 * 2 * 4 * 3 / found["generation"], rel=0.5)
    for kind in ("products", "traffic"):
        assert found[f"generation / {kind}"] == pytest.approx(found["generation"] / found[kind])
    assert found["peak memory"] > 50
    assert found["compile, cold"] > 0


def test_mixed_lifetimes_are_set_beside_their_share(stubbed):
    found = _medians(lifetimes.measure("mixed", SMALLEST.to_json(), turns=1))
    # Four lives of 2 or 3 updates, at most 12 in total.
    assert 8 / 12 <= found["updates lived / of the longest"] <= 1
    assert found["updates run / lived"] == 1


def test_price_of_the_curriculum_is_a_ratio_of_both(stubbed):
    names = [reading.metric for reading in curriculum.measure("smallest", CONSTANT.to_json(), turns=1)]
    assert names == ["DR", "GROOVE", "GROOVE / DR"]


def test_scaling_has_a_point_for_each_value(stubbed):
    readings = scaling.measure("population", CONSTANT.to_json(), values=[2, 4], growth=[2, 4], turns=1)
    names = [(reading.name, reading.metric) for reading in readings]
    assert names == [
        ("population 2", "generation"),
        ("population 2", "env steps"),
        ("population 4", "generation"),
        ("population 4", "env steps"),
        ("population 2 to 4", "times the seconds"),
    ]
    assert readings[0].settings["population"] == 2


def test_memory_and_warm_compile_are_read(stubbed):
    (peak,) = generation.memory("scaling", "population 4", CONSTANT.to_json())
    assert (peak.section, peak.metric) == ("scaling", "peak memory")
    (warm,) = generation.warm_compile("smallest", CONSTANT.to_json())
    assert warm.metric == "compile, warm"


def test_solver_solves_the_sets():
    readings = solver.measure({"small": 1}, repeats=1)
    assert [(reading.name, reading.metric) for reading in readings] == [
        ("1 levels of small", "compile, cold"),
        ("1 levels of small", "all optima"),
    ]
