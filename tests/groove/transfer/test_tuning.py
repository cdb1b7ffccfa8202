"""The random search: it finds the best, weights environments equally, and its files are read as written."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import numpy as np
import pytest

from groove.transfer.contestants import hand_written, learned
from groove.transfer.results import Row
from groove.transfer.runner import RunnerBatch, Setting
from groove.transfer.search import TuningSearch, with_settings
from groove.transfer.tuned_settings import TuningError, add_tuned, read_tuned, search_of
from groove.transfer.tuning import CONFIGURATIONS_PER_PROGRAM, EPOCHS, SHAPES, TUNING, search_space, tune
from tests.groove.transfer import tiny

A2C = hand_written("a2c")
SPACE = search_space(A2C, [tiny.catch()], 6)
RATES = [float(own.hyper.learning_rate) for own in SPACE]


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
                runs = [(own, life) for own in environments for life in own.lives(TUNING.num_seeds)]
                keys = [(own.suite, own.name, own.lifetime, level, "random", seed) for own, (level, seed) in runs]
                yield RunnerBatch([Row(*key, 0, 0, 0, RANDOM_RETURN) for key in keys], 0.0, 0.0)
                continue
            for environment in environments:
                rate = float(contestant.configuration(environment).hyper.learning_rate)
                for level, seed in environment.lives(TUNING.num_seeds):
                    self.asked.append((environment.name, rate, seed))
                    run = (environment.suite, environment.name, environment.lifetime, level, contestant.name, seed)
                    rows.append(Row(*run, 200, 10, 10, self.worth(environment.name, rate, seed)))
            yield RunnerBatch(rows, 0.0, 0.0)


def found(worth, environments=None, num_configurations=6):
    runner, told = KnownRunner(worth), []
    environments = environments or [tiny.catch()]
    configurations = search_space(A2C, environments, num_configurations)
    ranking = tune(runner, A2C, environments, configurations, told.append)
    assert sum(told) == len(runner.asked) and len(ranking) == num_configurations
    assert [worth for worth, _ in ranking] == sorted((worth for worth, _ in ranking), reverse=True)
    return RATES.index(float(ranking[0][1].hyper.learning_rate)), runner.asked


def test_tuning_has_separate_seeds_and_evaluates_only_at_the_end():
    assert Setting(3, num_points=1, first_seed=1_000_000) == TUNING


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
        tune(runner, A2C, [environment], search_space(A2C, [environment], 2), lambda num_lives: None)
        return runner.num_random

    known = replace(tiny.catch(), random=np.zeros(1), optimum=np.ones(1))
    assert measured(tiny.catch(), np.nan) == 1
    assert measured(tiny.catch(), 1.0) == measured(known, np.nan) == 0


def searched(where="own: vector", name="a2c", **fields):
    """What a search of A2C with four configurations depends on, with some of it replaced."""
    search = search_of(hand_written(name), [tiny.catch()], 4)
    return replace(search, where=where, **fields)


def test_tuned_settings_are_read_as_written(tmp_path):
    path = tmp_path / "new" / "tuned.json"
    tuned = {searched(): SPACE[1], searched("own/catch", ceiling=True): SPACE[2], searched(name="ppo"): SPACE[3]}
    assert add_tuned(path, tuned) == tuned
    read = read_tuned(path)
    assert list(read) == list(tuned) and [search.name for search in read] == ["a2c", "a2c", "ppo"]
    for search, best in read.items():
        assert best.to_json() == tuned[search].to_json() and best.program == tuned[search].program
        assert all(x.dtype == np.float32 for x in jax.tree.leaves(best.hyper))
    # To the last bit, so that tuned rules have the same fingerprint.
    before, after = (
        replace(A2C, tuned={"own: vector": own[searched()]}).fingerprint(tiny.catch()) for own in (tuned, read)
    )
    assert before == after


def test_two_tunings_into_one_file_lose_nothing(tmp_path):
    # The second one had read the file before the first one wrote to it.
    path, rules = tmp_path / "tuned.json", ("a2c", "ppo")
    searches = [TuningSearch(path, None, 1, 2, lambda *at: None) for _ in rules]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groove.transfer.search.tune", lambda *arguments: [(1.0, SPACE[1])])
        patch.setattr("groove.transfer.search.Runner", lambda *arguments: None)
        for search, name in zip(searches, rules, strict=True):
            search.on_validation(hand_written(name), [tiny.catch()])
    assert [search.name for search in read_tuned(path)] == ["a2c", "ppo"]
    # A result that is there already stays, whoever searched for it again.
    assert add_tuned(path, {next(iter(read_tuned(path))): SPACE[2]}) == read_tuned(path)


def test_concurrent_additions_to_one_file_wait_for_each_other(tmp_path):
    path = tmp_path / "tuned.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda size: add_tuned(path, {searched(configurations=size): SPACE[1]}), range(1, 25)))
    assert {search.configurations for search in read_tuned(path)} == set(range(1, 25))
    assert [entry.name for entry in tmp_path.iterdir()] == ["tuned.json"]


def test_a_search_is_known_by_the_rule_the_suite_and_its_size_not_by_a_name(tmp_path):
    first, moved, other = (
        learned(tiny.save(tmp_path / folder / "rule.safetensors", seed))
        for folder, seed in (("mine", 0), ("copy", 0), ("later/mine", 1))
    )
    assert (first.name, moved.name, other.name) == ("mine", "copy", "mine")
    search = search_of(first, [tiny.catch()], 4)
    assert search == search_of(moved, [tiny.catch()], 4)
    versions = [
        tiny.catch(suite="own@2"),
        replace(tiny.catch(), source_sha256="0" * 64),
        replace(tiny.catch(), workers=2),
    ]
    others = [search_of(other, [tiny.catch()], 4), search_of(first, [tiny.catch()], 5)]
    others += [search_of(first, [environment], 4) for environment in versions]
    assert len({search, *others}) == 6
    # Another rule of the same name is not given what was found for the first.
    with pytest.raises(TuningError, match="^tuned settings are for another rule than the 'mine' that is compared$"):
        with_settings([other], {search: SPACE[1]}, {"own": [tiny.catch()]})
    (tuned,), left_aside = with_settings([moved], {search: SPACE[1]}, {"own": [tiny.catch()]})
    assert tuned.name == "copy (tuned)" and tuned.configuration(tiny.catch()) is SPACE[1] and not left_aside


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suite": "own@1"}, "settings of a2c were tuned in own@1, but agents live in own$"),
        (
            {"workers": 99},
            "settings of a2c were tuned with 99 workers x 5 steps, but agents in own: vector have 4 x 5$",
        ),
        ({"configurations": 16}, "settings for own were tuned with 4 and 16 configurations; compare rules "),
    ],
)
def test_settings_that_only_seem_to_be_for_a_suite_are_refused(fields, message):
    found = {searched(name="ppo"): SPACE[1], searched(**fields): SPACE[2]}
    with pytest.raises(TuningError, match=message):
        with_settings([A2C, hand_written("ppo")], found, {"own": [tiny.catch()]})
    # Where no rule or suite is theirs, nothing is left of them.
    with pytest.raises(
        TuningError, match="^tuned settings are for a2c on .*, ppo on own: vector; compared: a2c, ppo on o"
    ):
        with_settings([A2C, hand_written("ppo")], found, {"other": [tiny.catch(suite="other")]})


def test_settings_for_one_kind_of_observation_do_not_excuse_those_of_another_shape_for_the_other():
    # A suite of Catch as a vector in 4 x 5 and a grid in 64 x 20; settings of Catch found in the shape of the grid.
    environments = [tiny.catch(), replace(tiny.grid(), suite="own", workers=64, rollout_length=20)]
    grid, catch = searched(where="own: table", workers=64, rollout_length=20), searched(workers=64, rollout_length=20)
    with pytest.raises(TuningError, match="tuned with 64 workers x 20 steps, but agents in own: vector have 4 x 5$"):
        with_settings([A2C], dict.fromkeys([grid, catch], SPACE[1]), {"own": environments})
    # What was tuned in an older version as well is left aside.
    older = searched(suite="own@1")
    (tuned,), left_aside = with_settings(
        [A2C], dict.fromkeys([searched(), grid, older], SPACE[1]), {"own": environments}
    )
    assert tuned.tuned.keys() == {"own: table", "own: vector"} and left_aside == [older]


def test_of_a_shared_file_of_settings_what_fits_is_taken_and_the_rest_named():
    ours, theirs = searched(), [searched(name="dpo"), searched("other: table", suite="other"), searched(suite="own@1")]
    found = dict.fromkeys([ours, *theirs], SPACE[1])
    (tuned,), left_aside = with_settings([A2C, hand_written("ppo")], found, {"own": [tiny.catch()]})
    assert tuned.name == "a2c (tuned)" and tuned.tuned == {"own: vector": SPACE[1]} and left_aside == theirs


@pytest.mark.parametrize("name", ["workers", "rollout_length", "epochs"])
def test_configurations_refuse_counts_below_one(name):
    with pytest.raises(ValueError, match=f"^Configuration.{name} must be >= 1, got 0$"):
        replace(SPACE[0], **{name: 0})


def test_numbers_out_of_range_in_a_file_of_settings_are_refused_by_name(tmp_path):
    path, search = tmp_path / "tuned.json", search_of(A2C, [tiny.catch()], 6)
    for name, value, allowed in (
        ("learning_rate_decay", -1.0, ">= 0 and finite"),
        ("learning_rate", float("nan"), ">= 0 and finite"),
        ("entropy_cost", -0.1, ">= 0 and finite"),
        ("workers", 0, ">= 1"),
        ("workers", 16.9, "an integer"),
        ("epochs", float("inf"), "an integer"),
    ):
        path.unlink(missing_ok=True)
        add_tuned(path, {search: SPACE[0]})
        content = json.loads(path.read_text())
        content["searches"][0]["best"][name] = value
        path.write_text(json.dumps(content))
        with pytest.raises(
            TuningError, match=rf"tuned.json: must be .* \(ValueError: .*{name} must be {allowed}, got "
        ):
            read_tuned(path)


@pytest.mark.parametrize(("fields", "reason"), [({"clip": 0.1}, "clip"), ({"gae_lambda": 3.0}, "gae_lambda must be")])
def test_fields_that_a_rule_does_not_have_are_refused_in_one_line(fields, reason):
    environments = [tiny.catch()]
    found = {search_of(A2C, environments, 6): replace(SPACE[0], fields=fields)}
    with pytest.raises(TuningError, match=f"^tuned settings of a2c on own: vector are not for this rule: .*{reason}"):
        with_settings([A2C], found, {"own": environments})


def test_a_search_tries_what_the_rule_reads_at_the_same_number_of_steps():
    spaces = {
        name: search_space(hand_written(name), [tiny.catch(num_steps=10**6)], 65)
        for name in ("a2c", "ppo", "dpo", "reinforce")
    }
    for name, space in spaces.items():
        assert space[0] == hand_written(name).configuration(tiny.catch())
        assert {own.program for own in space[:CONFIGURATIONS_PER_PROGRAM]} == {space[0].program}
        drawn = space[CONFIGURATIONS_PER_PROGRAM:]
        # The suite's own shape, here of four workers, is drawn beside the others.
        assert {(own.workers, own.rollout_length) for own in drawn} == {(4, 5), *SHAPES}
        assert {own.epochs for own in drawn} == (set(EPOCHS) if name in ("ppo", "dpo") else {1})
        assert {float(own.hyper.learning_rate_decay) for own in space} == {0.0, 1.0, 2.0}
        assert {float(own.hyper.entropy_decay) for own in space} == {0.0, 1.0, 2.0}
        for environment in (tiny.catch(num_steps=10**6), replace(tiny.grid(), num_updates=10**6)):
            steps = {
                own.workers * own.rollout_length * environment.updates_of(own.workers, own.rollout_length)
                for own in space
            }
            budget = environment.updates * environment.steps_per_update
            assert all(0 <= budget - number < 64 * 20 for number in steps)
    # No rollout is longer than a life, here of 200 steps.
    assert {(own.workers, own.rollout_length) for own in SPACE} == {(4, 5)}
    both = search_space(A2C, [tiny.catch(num_steps=10**6), tiny.catch()], 33)
    assert {(own.workers, own.rollout_length) for own in both} == {(4, 5)}
    fields = {name: set(space[-1].fields) for name, space in spaces.items()}
    assert fields["a2c"] == fields["dpo"] == {"discount", "gae_lambda"}
    assert fields["ppo"] == {"discount", "gae_lambda", "clip"} and fields["reinforce"] == {"discount"}


def test_a_learned_rule_is_tuned_in_rates_costs_decay_and_shape(tmp_path):
    rule = learned(tiny.save(tmp_path / "rule.safetensors"))
    space = search_space(rule, [tiny.catch(num_steps=10**6)], 33)
    assert {(own.epochs, *own.fields) for own in space} == {(1,)}
    assert (
        len({float(own.hyper.kl_cost) for own in space}) == 33 == len({float(own.hyper.learning_rate) for own in space})
    )
    assert {float(own.hyper.learning_rate_decay) for own in space} == {0.0, 1.0, 2.0}
    assert {float(own.hyper.entropy_decay) for own in space} == {0.0} and len({own.program for own in space}) > 2


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        '{"a": 1}',
        '{"workers": 4, "rollout_length": 5, "rules": {}}',
        '{"searches": [{"rule": "x"}]}',
        "\xff",
    ],
)
def test_a_foreign_file_of_settings_is_refused_by_name(tmp_path, content):
    path = tmp_path / "tuned.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(TuningError) as refusal:
        read_tuned(path)
    start = f"{path}: must be a settings file written by `groove tune` of this version ("
    assert str(refusal.value).startswith(start) and "\n" not in str(refusal.value)


def test_a_missing_file_of_settings_is_refused_by_name(tmp_path):
    with pytest.raises(TuningError, match=r"absent\.json: No such file"):
        read_tuned(tmp_path / "absent.json")
