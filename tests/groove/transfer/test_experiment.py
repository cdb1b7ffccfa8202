"""Experiments: a resumed one equals one never stopped, other folders are refused, baselines run only once."""

import json
from dataclasses import replace

import pytest

from groove.transfer.contestants import hand_written, learned
from groove.transfer.experiment import Experiment, ExperimentError
from tests.groove.transfer import tiny
from tests.groove.transfer.tiny import SETTING


class Stopped(Exception):
    """Stands in for a signal."""


@pytest.fixture(scope="module")
def rule(tmp_path_factory):
    return learned(tiny.save(tmp_path_factory.mktemp("rules") / "lpg.safetensors"))


@pytest.fixture
def make(tmp_path, rule):
    """Make experiments on the same two environments in folders with different names."""

    def experiment(name, contestants=None, setting=SETTING, cache=None, suite="own"):
        suites = {suite: [tiny.catch(suite=suite), tiny.catch("second", suite)]}
        made = Experiment(
            tmp_path / name, suites, contestants or [rule, hand_written("a2c")], setting, cache and tmp_path / cache
        )
        made.open()
        return made

    return experiment


def live(experiment, stop_after=None):
    """Run an experiment; return the lives by rule and the reported progress."""
    listener, told = tiny.Listener(tiny.runner(experiment.setting)), []

    def tell(progress):
        told.append(progress)
        if len(told) == stop_after:
            raise Stopped

    if stop_after is None:
        experiment.run(listener, tell)
    else:
        with pytest.raises(Stopped):
            experiment.run(listener, tell)
    return listener.lived, told


def results(experiment):
    return (experiment.folder / "results.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, rule):
    """results.csv of an experiment that was never stopped."""
    suites = {"own": [tiny.catch(), tiny.catch("second")]}
    experiment = Experiment(tmp_path_factory.mktemp("whole"), suites, [rule, hand_written("a2c")], SETTING)
    lived, told = live(experiment)
    assert lived == {"random": 4, "ppo": 4, "lpg": 4, "a2c": 4}
    assert [(at.suite, at.rule, at.num_done, at.num_lives) for at in told] == [
        ("own", name, 4 * n, 16) for n, name in enumerate(("random", "ppo", "lpg", "a2c"), start=1)
    ]
    return results(experiment)


def test_a_stopped_experiment_continues_as_if_never_stopped(make, whole):
    experiment = make("run")
    live(experiment, stop_after=2)
    assert whole.startswith(results(experiment)) and results(experiment) != whole
    lived, told = live(make("run"))
    assert lived == {"lpg": 4, "a2c": 4} and told[0].num_done == 12
    assert results(experiment) == whole
    assert live(make("run"))[0] == {} and results(experiment) == whole


# Cut within a line; between the two points of a run; between two runs; within the header.
@pytest.mark.parametrize("num_lines", [9.5, 10, 11, 0.5])
def test_lives_whose_results_were_cut_off_run_again(make, whole, num_lines):
    experiment, lines = make("run"), whole.splitlines(keepends=True)
    cut = b"".join(lines[: int(num_lines)]) + (lines[int(num_lines)][:20] if num_lines % 1 else b"")
    (experiment.folder / "results.csv").write_bytes(cut)
    live(experiment)
    assert results(experiment) == whole


def test_random_actions_and_ppo_are_added_where_the_optimum_is_unknown(make, rule, tmp_path):
    experiment = make("run")
    assert [own.name for own in experiment.contestants("own")] == ["random", "ppo", "lpg", "a2c"]
    named = make("named", [rule, hand_written("ppo"), hand_written("random")])
    assert [own.name for own in named.contestants("own")] == ["lpg", "ppo", "random"]
    exact = Experiment(tmp_path / "exact", {"own": [tiny.grid()]}, [rule], SETTING)
    assert [own.name for own in exact.contestants("own")] == ["lpg"]
    mixed = Experiment(tmp_path / "mixed", {"own": [tiny.grid(), tiny.catch()]}, [rule], SETTING)
    assert len(mixed.contestants("own")) == 3


def test_the_folder_of_another_experiment_is_refused_with_what_differs(make):
    make("run")
    make("run")
    with pytest.raises(ExperimentError, match=r"run holds another experiment, with different setting$"):
        make("run", setting=replace(SETTING, num_points=3))
    with pytest.raises(ExperimentError, match=r"run holds another experiment, with different rules$"):
        make("run", [hand_written("a2c")])
    with pytest.raises(ExperimentError, match=r"run holds another experiment, with different suites, rules$"):
        make("run", suite="other")


def test_another_rule_of_the_same_name_is_another_experiment(make, rule, tmp_path):
    make("run", [rule])
    other = learned(tiny.save(tmp_path / "lpg.safetensors", seed=1))
    assert other.name == rule.name
    with pytest.raises(ExperimentError, match="with different rules"):
        make("run", [other])
    own = rule.configuration(tiny.catch())
    faster = replace(own.hyper, learning_rate=2 * own.hyper.learning_rate)
    for tuned in (replace(own, hyper=faster), replace(own, workers=2)):
        with pytest.raises(ExperimentError, match="with different rules"):
            make("run", [replace(rule, tuned={"own: vector": tuned})])


@pytest.mark.parametrize("content", ["{", "[]", "null", "{}", "\xff"])
def test_a_corrupt_config_is_refused_in_one_line(make, content):
    experiment = make("run")
    (experiment.folder / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(ExperimentError, match=r"run/config\.json: corrupt"):
        make("run")


def test_a_learned_rule_refuses_continuous_actions(rule, tmp_path):
    with pytest.raises(ValueError, match=r"^own/slide has continuous actions, but lpg reads probabilities of .*ppo"):
        Experiment(tmp_path, {"own": [tiny.slide()]}, [rule], SETTING)
    Experiment(tmp_path, {"own": [tiny.slide()]}, [hand_written("ppo")], SETTING)


def test_hand_written_rules_run_once_for_all_experiments(make, rule, tmp_path):
    first = make("first", cache="cache", suite="bsuite")
    assert live(first)[0] == {"random": 4, "ppo": 4, "lpg": 4, "a2c": 4}
    # Random actions, PPO and A2C in two environments each, but not the learned rule.
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == 6
    second = make("second", cache="cache", suite="bsuite")
    lived, told = live(second)
    assert lived == {"lpg": 4} and told[-1].num_done == 16
    assert results(second) == results(first)
    own, cached = ([row for row in timing(made) if row["rule"] != "lpg"] for made in (first, second))
    assert cached == [row | {"cached": True} for row in own] and len(own) == 6
    # Other settings have their own runs.
    third = make("third", setting=replace(SETTING, num_points=1), cache="cache", suite="bsuite")
    arguments = (tiny.catch(suite="bsuite"), hand_written("a2c"))
    assert third.cache_path(*arguments) != first.cache_path(*arguments) in kept


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": [{}], "timing": [1]}', '{"rows": [], "timing": []}'])
def test_a_corrupt_file_of_the_cache_is_ignored(make, tmp_path, content):
    first = make("first", [hand_written("a2c")], cache="cache", suite="bsuite")
    live(first)
    for path in (tmp_path / "cache").iterdir():
        path.write_text(content)
    second = make("second", [hand_written("a2c")], cache="cache", suite="bsuite")
    assert live(second)[0] == {"random": 4, "ppo": 4, "a2c": 4} and results(second) == results(first)


def test_environments_outside_frozen_suites_are_not_cached(make, tmp_path):
    # Their file may have changed the dynamics, which no fingerprint covers.
    live(make("run", cache="cache"))
    assert not (tmp_path / "cache").exists()


def test_the_cache_is_not_used_if_some_lives_are_done(make, tmp_path):
    first = make("first", [hand_written("a2c")], cache="cache", suite="bsuite")
    live(first)
    second = make("second", [hand_written("a2c")], cache="cache", suite="bsuite")
    lines = results(first).splitlines(keepends=True)
    (second.folder / "results.csv").write_bytes(b"".join(lines[:2]))
    assert live(second)[0] == {"random": 1} and results(second) == results(first)


def test_summary_is_written_and_names_the_learned_rules(rule, tmp_path):
    tuned = replace(rule, name="lpg (tuned)", tuned={"own: table": rule.configuration(tiny.grid())})
    experiment = Experiment(tmp_path, {"own": [tiny.grid()]}, [rule, tuned, hand_written("random")], SETTING)
    live(experiment)
    summary = experiment.summarise(experiment.scores())
    assert json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail) == summary
    # A rule with tuned settings is not a second meta-seed.
    assert list(summary["own"]["rules"]) == ["lpg", "lpg (tuned)", "random"] and summary["own"]["tasks"] == 2
    assert list(summary["own"]["probability_of_improvement"]["lpg"]) == ["random"]
    # The tuned settings here are the ones it has anyway.
    assert summary["own"]["rules"]["lpg (tuned)"]["iqm"] == summary["own"]["rules"]["lpg"]["iqm"]
    assert summary["own"]["rules"]["lpg"]["env_steps"] == 2 * 5 * tiny.grid().steps_per_update


def timing(experiment):
    return [json.loads(line) for line in (experiment.folder / "timing.jsonl").read_text().splitlines()]


def test_timing_counts_every_life_once(make):
    experiment = make("run", [hand_written("a2c")])
    live(experiment, stop_after=3)
    live(make("run", [hand_written("a2c")]))
    rows = timing(experiment)
    steps = {(row["rule"], row["environment"]): (row["lives"], row["env_steps"], row["gradient_steps"]) for row in rows}
    assert len(rows) == len(steps) == 6
    assert steps["ppo", "catch"] == (2, 400, 320) and steps["a2c", "second"] == (2, 400, 20)
    assert steps["random", "second"] == (2, 0, 0)
