"""Suites: their contents are frozen, none of them is tuned on, and listing them does not load JAX."""

import hashlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from groove.scoring.heldout import TRANSFER_STREAM, VALIDATION_STREAM, LevelSet
from groove.transfer.environments import of_generator
from groove.transfer.suites import DEEP_SEA_SIZES, LARGEST_NOISE, LIFETIMES, NUM_DRAWS, SUITES, Suite, suite_key
from levels.registry import generator
from lpg.episodes import episode_returns
from lpg.networks import Dense, Table

FINGERPRINTS = {
    "mazes": "e5b002374df1384ad4a2f83220709c2e1f714d6f176b5e2903df0d76e2801406",
    "chains": "da883154f01f8f5ed9d942c145f1f35e38fd8bafdf5c7de3b9fcd3dcf7d8c655",
    "classic": "f5656962d52175b2caaec4438603934b24dd7d5f78bbeec96680a65c248c56d1",
    "bsuite": "8e23716f6aa8d71e99529f1c206fadef5ca4e956c6b85785e79584122e325c8a",
    "minatar": "11882bb36801628902f4ae953498c8e604d9ff33528f7b31753027e3318c3392",
    "minatar-dense": "b4cacedc4bf1a5fccb307e6c6d9b25b2ae75f152ff7ba2b44796b8e148085d5a",
    "minatar-1e7": "d6be112dd77de7c5975d317f3bdc657994c067d248471d095aed91b3d5ec363d",
}
"""SHA-256 of the fingerprints of all environments. If one changes after its version was released, or has results in
runs/published, it is another suite, which needs a new version."""

STARTS_WITHOUT_JAX = """
import sys
import groove.transfer.suites
from groove.commands.main import main

for command in ("benchmark", "evaluate", "tune"):
    try:
        assert main([command, "--help"]) == 0
    except SystemExit as end:
        assert not end.code
    assert main([command]) == main([command, "x", "--suite", "atari"]) == 2
sys.exit(3 if {"jax", "gymnax", "brax", "gymnasium"} & set(sys.modules) else 0)
"""


@cache
def built(name):
    if name == "mazes-literature" and importlib.util.find_spec("jaxued") is None:
        pytest.skip("needs jaxued")
    return SUITES[name].build(SUITES[name].label(name))


@cache
def built_validation(build):
    """Validation environments with as many levels as the suites have, which makes them cheaper to solve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groove.transfer.suites.NUM_VALIDATION_LEVELS", NUM_DRAWS)
        return build("any")


def validation(name):
    """Suites that share their validation environments are given the same ones."""
    environments = built_validation(SUITES[name].build_validation)
    assert {environment.suite for environment in environments} == {"any"}
    return [replace(environment, suite=SUITES[name].label(name)) for environment in environments]


cheap = pytest.mark.parametrize("name", [name for name in SUITES if name not in ("grid-heldout", "grid-classic")])


def test_suites_and_help_need_no_jax():
    # In a separate process, where no other test has imported it.
    ended = subprocess.run([sys.executable, "-c", STARTS_WITHOUT_JAX], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("unknown suite 'atari'; perhaps minatar; known: grid-heldout, ") == 3
    assert "--suite" in ended.stdout and "--tune" in ended.stdout


@cheap
def test_environments_of_a_suite_have_unique_names(name):
    keys = [(environment.name, environment.lifetime) for environment in built(name)]
    assert len(keys) == len(set(keys)) > 2
    assert {environment.suite for environment in built(name)} == {f"{name}@2"}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_suite_is_frozen(name):
    words = "".join(environment.fingerprint() for environment in built(name))
    assert hashlib.sha256(words.encode()).hexdigest() == FINGERPRINTS[name]


@cheap
def test_validation_environments_are_not_in_the_suite(name):
    assert validation(name) and not set(map(nameless, validation(name))) & set(map(nameless, built(name)))
    fingerprints = {environment.fingerprint() for environment in built(name) + validation(name)}
    assert len(fingerprints) == len(built(name)) + len(validation(name))


def nameless(environment):
    """A fingerprint without the name and the budget, and with the settings of a gymnax environment."""
    levels, world = environment.levels, environment.world
    lifetimes_apart = levels.replace(lifetime=np.zeros(1)) if hasattr(levels, "lifetime") else levels
    same = replace(environment, name="", lifetime=1.0, num_updates=1, num_steps=None, levels=lifetimes_apart)
    held = (
        repr(sorted((key, repr(value)) for key, value in vars(world.env).items())) if hasattr(world, "env") else world
    )
    return same.fingerprint(), held


def test_nameless_environments_identify_what_is_played():
    catch, *_ = SUITES["bsuite"].build("bsuite@2")
    assert nameless(catch) == nameless(replace(catch, name="other", num_steps=7)) == nameless(built("bsuite")[0])
    maze = built("mazes")
    assert nameless(maze[0]) == nameless(maze[11]) != nameless(maze[1]) and maze[11].lifetime == 1


def test_names_in_results_tell_versions_and_level_seeds_apart():
    assert {suite.label("x") for suite in SUITES.values()} == {"x@2"}
    assert SUITES["mazes"].label("mazes", 7) == "mazes@2#7"
    assert Suite("mine", list).label("mine") == "mine" and Suite("mine", list).label("mine", 7) == "mine#7"
    assert suite_key("mazes") == suite_key("mazes@2") == "mazes"
    with pytest.raises(ValueError, match=r"^--suite mazes@1: this version of groove has mazes@2; results of "):
        suite_key("mazes@1")


@pytest.mark.parametrize("name", ["grid-heldout", "grid-classic", "mazes", "chains"])
def test_every_environment_has_a_draw_of_its_own_which_its_lifetimes_share(name, monkeypatch):
    drawn = {}

    def draw_level_set(generator, stream, num_levels, seed=0):
        drawn[seed] = (generator, stream, num_levels)
        return LevelSet(SimpleNamespace(lifetime=np.full(num_levels, 9)), None, None, None)

    monkeypatch.setattr("groove.transfer.environments.draw_level_set", draw_level_set)
    environments, again = (SUITES[name].build(SUITES[name].label(name, seed)) for seed in (0, 1))
    names = {own.name for own in environments}
    # In version 1 all had the seed 0. Other level seeds, other draws.
    assert len(drawn) == 2 * len(names) > 4
    assert {own.draw for own in environments} == {f"{name}@2/{own}" for own in names}
    assert all(own.draw == f"{name}@2/{own.name}" for own in environments)
    assert not {own.draw for own in environments} & {own.draw for own in again}


def test_mazes_have_objects_of_their_own_and_another_level_seed_redraws_them():
    mazes = built("mazes")[:11]
    assert len({np.asarray(maze.levels.object_rewards).tobytes() for maze in mazes}) == 11
    chains, again = built("chains")[:5], SUITES["chains"].build("chains@2#1")[:5]
    for chain, other in zip(chains, again, strict=True):
        assert chain.name == other.name and chain.fingerprint() != replace(other, suite="chains@2").fingerprint()
    # Nothing is drawn where an environment is one level.
    assert {own.draw for own in built("classic") + built("bsuite")} == {""}


def test_budgets_are_those_of_the_specification():
    # Budgets in environment steps; mazes have 2,500 updates of 64 workers' 20 steps.
    steps = {"classic": 500_000, "bsuite": 500_000, "minatar": 10**6, "minatar-dense": 10**6, "minatar-1e7": 10**7}
    for name, num_steps in steps.items():
        assert {(own.num_steps, own.num_updates, own.lifetime) for own in built(name)} == {(num_steps, None, 1.0)}
    for environment in built("mazes"):
        assert environment.num_updates == round(2500 * environment.lifetime) and environment.num_steps is None
    assert [environment.lifetime for environment in built("mazes")] == [x for x in (0.25, 1, 4) for _ in range(11)]
    assert LIFETIMES == (0.25, 1.0, 4.0) and len(built("chains")) == 15
    shapes = {name: {(own.workers, own.rollout_length) for own in built(name)} for name in (*steps, "mazes", "chains")}
    expected = dict.fromkeys(shapes, {(32, 8)}) | dict.fromkeys(("mazes", "chains"), {(64, 20)})
    expected["classic"] = expected["bsuite"] = {(16, 20)}
    assert shapes == expected and built("classic")[0].updates == 1562


def test_noisy_worlds_are_measured_over_more_episodes_than_usual():
    episodes = {own.name: own.episodes for name in ("bsuite", "chains", "classic") for own in built(name)}
    # Of the variance of a return, 10 and 49, .05² remain; of an agent that is as often right as wrong, no more.
    assert episodes["UmbrellaChain"] == 4032 >= 10 / 0.05**2 and episodes["chain_long_noisy"] == 19648 >= 49 / 0.05**2
    assert episodes["chain_short_noisy"] == 11648 and episodes["chain_long"] == 448 and episodes["Catch"] == 192
    assert episodes["DeepSea 30"] == 128 and episodes["DiscountingChain"] == 192 and episodes["CartPole"] == 64
    tuned = {own.name: own.episodes for name in ("bsuite", "chains") for own in validation(name)}
    assert tuned["UmbrellaChain, distractors"] == 4032 and tuned["chain_long_noisy"] == 19648


@pytest.mark.parametrize(("name", "environment"), [("bsuite", "UmbrellaChain"), ("chains", "chain_short_noisy")])
def test_the_best_policy_scores_one_within_the_error_of_its_episodes(name, environment):
    (own,) = (own for own in built(name) if own.name == environment and own.lifetime == 1)

    def right(observation):
        # Both show in an episode's first state which of two actions is right.
        shown = observation if observation.ndim == 1 else observation[:, 0]
        return 50 * jax.nn.one_hot(shown.astype(int), 2)

    level = jax.tree.map(lambda x: x[0], own.levels)
    returns = np.asarray(episode_returns(jax.random.key(0), own.world, level, right, own.episodes))
    error = np.std(returns) / np.sqrt(returns.size)
    assert 0.5 * LARGEST_NOISE < error < LARGEST_NOISE and abs(np.mean(returns) - own.optimum[0]) < 2 * error


def test_suites_contain_what_they_promise():
    assert [own.name for own in built("classic")] == ["CartPole", "Acrobot", "MountainCar"]
    names = [own.name for own in built("bsuite")]
    assert names == ["Catch", *(f"DeepSea {size}" for size in DEEP_SEA_SIZES), "DiscountingChain", "UmbrellaChain"]
    assert min(DEEP_SEA_SIZES) == 8 and max(DEEP_SEA_SIZES) == 30
    for name in ("minatar", "minatar-dense", "minatar-1e7"):
        assert [own.name for own in built(name)] == ["Asterix", "Breakout", "Freeway", "SpaceInvaders"]


def test_chains_and_mazes_have_exact_anchors():
    for chain in built("chains"):
        np.testing.assert_array_equal((chain.random, chain.optimum), (np.zeros(8), np.ones(8)))
    assert all(np.all(maze.optimum > maze.random) and len(maze.random) == maze.num_levels for maze in built("mazes"))
    assert all(own.optimum is None for own in built("classic"))


def test_networks_are_those_of_the_specification():
    assert built("minatar")[0].network(0, True) == Dense(
        built("minatar")[0].world.num_actions, 0, (128,), (16,), 3, channels_last=True, padded=False, has_value=True
    )
    assert built("minatar-dense")[0].network(8, False) == Dense(
        built("minatar")[0].world.num_actions, 8, (64, 64), (), 3
    )
    assert built("classic")[0].network(8, False) == Dense(2, 8, (64, 64))
    assert isinstance(built("mazes")[0].network(8, False), Table)
    # DeepSea's observation is an image with two axes and no planes.
    assert built("bsuite")[1].network(0, True) == Dense(2, 0, (64, 64), observation_rank=2, has_value=True)


def test_validation_levels_are_drawn_from_a_separate_stream():
    transfer, tuning = (
        of_generator("s", "small", generator("small"), 8, stream) for stream in (TRANSFER_STREAM, VALIDATION_STREAM)
    )
    assert transfer.fingerprint() != tuning.fingerprint()
    assert not set(np.round(transfer.optimum, 4)) & set(np.round(tuning.optimum, 4))
