"""The random search: it finds the best, weights environments equally, and its files are read as written."""

import dataclasses
from dataclasses import replace

import jax
import numpy as np
import pytest

from groove.scoring.random_search import search_space
from groove.transfer.contestants import hand_written
from groove.transfer.results import Row
from groove.transfer.runner import RunnerBatch, Setting
from groove.transfer.tuning import TuningError, read_tuned, tune, tuning_setting, write_tuned
from tests.groove.transfer import tiny

A2C = hand_written("a2c")
SETTING = tuning_setting(tiny.SETTING)
SPACE = search_space(A2C.rule, A2C.hyper(tiny.catch()), 6)
RATES = [float(hyper.learning_rate) for hyper in SPACE]


RANDOM_RETURN = -2.0


class KnownRunner:
    """A runner whose returns are a function of environment, learning rate and seed."""

    def __init__(self, worth):
        self.worth, self.asked, self.num_random = worth, [], 0

    def run(self, environments, contestants, done):
        assert not done
        for contestant in contestants:
            rows = []
            if contestant.rule is None:
                self.num_random += 1
                runs = [(own, life) for own in environments for life in own.lives(SETTING.num_seeds)]
                keys = [(own.suite, own.name, own.lifetime, level, "random", seed) for own, (level, seed) in runs]
                yield RunnerBatch([Row(*key, 0, 0, 0, RANDOM_RETURN) for key in keys], 0.0, 0.0)
                continue
            for environment in environments:
                rate = float(contestant.hyper(environment).learning_rate)
                for level, seed in environment.lives(SETTING.num_seeds):
                    self.asked.append((environment.name, rate, seed))
                    run = (environment.suite, environment.name, environment.lifetime, level, contestant.name, seed)
                    rows.append(Row(*run, 200, 10, 10, self.worth(environment.name, rate, seed)))
            yield RunnerBatch(rows, 0.0, 0.0)


def found(worth, environments=None, num_configurations=6):
    runner, told = KnownRunner(worth), []
    best = tune(runner, SETTING, A2C, environments or [tiny.catch()], num_configurations, told.append)
    assert sum(told) == len(runner.asked)
    return RATES.index(float(best.learning_rate)), runner.asked


def test_tuning_has_separate_seeds_and_evaluates_only_at_the_end():
    assert Setting(3, 4, 5, num_points=1, first_seed=1_000_000) == SETTING


def test_tune_finds_the_best_configuration_on_three_seeds_each():
    best, asked = found(lambda name, rate, seed: -abs(rate - RATES[4]))
    assert best == 4 and len(asked) == 18 and {rate for _, rate, _ in asked} == set(RATES)
    assert found(lambda name, rate, seed: 1.0)[0] == 0 == found(lambda name, rate, seed: rate, None, 1)[0]


def test_tune_counts_all_seeds():
    lucky = {RATES[1]: [9, 0, 0], RATES[2]: [4, 4, 4]}
    assert found(lambda name, rate, seed: lucky.get(rate, [0, 0, 0])[seed])[0] == 2


def test_tune_weights_environments_equally_whatever_their_returns():
    # Catch pays a thousand times as much, so by mean return it alone would decide.
    worth = {"catch": [0, 1000, 900, 0, 0, 0], "second": [0, 0, 1, 0, 0, 0]}
    environments = [tiny.catch(), tiny.catch("second")]
    assert found(lambda name, rate, seed: worth[name][RATES.index(rate)], environments)[0] == 2


def test_tune_counts_failed_agents_as_random_play():
    # Random play returns −2. Two failures of three outweigh one excellent agent, but not agents worse than random.
    def returns(third):
        table = {RATES[1]: [2.0, np.nan, np.nan], RATES[2]: [third] * 3}
        return lambda name, rate, seed: table.get(rate, [-9.0] * 3)[seed]

    assert [found(returns(third))[0] for third in (0.0, -1.0, -9.0, np.nan)] == [2, 1, 1, 1]
    assert found(lambda name, rate, seed: np.nan)[0] == 0


def test_random_play_is_measured_only_where_an_agent_failed_and_its_return_is_not_known():
    def measured(environment, value):
        runner = KnownRunner(lambda name, rate, seed: value)
        tune(runner, SETTING, A2C, [environment], 2, lambda num_lives: None)
        return runner.num_random

    known = dataclasses.replace(tiny.catch(), random=np.zeros(1), optimum=np.ones(1))
    assert measured(tiny.catch(), np.nan) == 1
    assert measured(tiny.catch(), 1.0) == measured(known, np.nan) == 0


def test_tuned_settings_are_read_as_written(tmp_path):
    path = tmp_path / "new" / "tuned.json"
    tuned = {"a2c": {"own: vector": SPACE[1], "own/catch": SPACE[2]}, "lpg": {"own: vector": SPACE[3]}}
    write_tuned(path, tuned, SETTING)
    read = read_tuned(path, SETTING)
    assert {rule: list(own) for rule, own in read.items()} == {
        "a2c": ["own: vector", "own/catch"],
        "lpg": ["own: vector"],
    }
    for rule, own in read.items():
        for where, hyper in own.items():
            assert jax.tree.map(float, hyper) == jax.tree.map(float, tuned[rule][where])
            assert all(x.dtype == np.float32 for x in jax.tree.leaves(hyper))
    # To the last bit, so that tuned rules have the same fingerprint.
    before, after = (replace(A2C, tuned=own["a2c"]).fingerprint(tiny.catch()) for own in (tuned, read))
    assert before == after


def test_settings_found_with_other_workers_are_refused(tmp_path):
    write_tuned(tmp_path / "t.json", {}, SETTING)
    with pytest.raises(TuningError, match=r"t\.json: tuned with .* workers x .* steps, but this experiment uses 99 x"):
        read_tuned(tmp_path / "t.json", dataclasses.replace(SETTING, workers=99))


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}', '{"a": {"own": {"learning_rate": 1}}}', "\xff"])
def test_a_foreign_file_of_settings_is_refused_by_name(tmp_path, content):
    path = tmp_path / "tuned.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(TuningError) as refusal:
        read_tuned(path, SETTING)
    assert str(refusal.value) == f"{path}: must be a settings file written by `groove tune`"


def test_a_missing_file_of_settings_is_refused_by_name(tmp_path):
    with pytest.raises(TuningError, match=r"absent\.json: No such file"):
        read_tuned(tmp_path / "absent.json", SETTING)
