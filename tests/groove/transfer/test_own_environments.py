"""Environments from a user's file or another library: what they may be, and one line for anything else."""

import importlib

import pytest

from groove.transfer.own_environments import find_suite, named_suites
from groove.transfer.suites import Suite
from levels.world import GymnaxWorld

CATCH = "from gymnax.environments.bsuite.catch import Catch\n"


@pytest.fixture
def suite(tmp_path):
    """Write a file mine.py and return its suite."""

    def of(text):
        (tmp_path / "mine.py").write_text(text)
        name, found = find_suite(f"{tmp_path / 'mine.py'}:own")
        return found.build(name)

    return of


def built(name):
    shown, found = find_suite(name)
    assert isinstance(found, Suite)
    return found.build(shown)


def test_a_file_may_assign_classes_objects_pairs_and_names(suite):
    found = suite(
        CATCH
        + "from levels.world import GymnaxWorld\n"
        + "env = Catch(rows=4, columns=3)\n"
        + "own = {'class': Catch, 'object': env, 'pair': (env, env.default_params.replace("
        + "max_steps_in_episode=7)), 'world': (GymnaxWorld(env), env.default_params), 'name': 'gymnax:CartPole-v1',"
        + "'class and params': (Catch, env.default_params)}\n"
        + "NUM_STEPS = 123"
    )
    names = ["class", "object", "pair", "world", "name", "class and params"]
    assert [own.name for own in found] == names and {own.suite for own in found} == {"own"}
    shapes = [own.world.observation_shape for own in found]
    assert shapes == [(10, 5), (4, 3), (4, 3), (4, 3), (4,), (10, 5)]
    assert {(own.num_steps, own.num_updates, own.torso, own.num_levels) for own in found} == {
        (123, None, "standard", 1)
    }
    assert found[2].levels.max_steps_in_episode.tolist() == [7] and isinstance(found[3].world, GymnaxWorld)
    assert found[1].world == found[2].world == found[3].world


def test_lives_take_half_a_million_steps_by_default(suite):
    assert suite(CATCH + "own = {'catch': Catch}")[0].num_steps == 500_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": defines no own"),
        ("own = {}", ":own must be a Suite or a dict of environments by name, got a dict"),
        ("own = [1]", ":own must be a Suite or a dict of environments by name, got a list"),
        ("1 / 0", ": own, line 1: ZeroDivisionError: division by zero"),
        ("import nowhere", ": own, line 1: ModuleNotFoundError: No module named 'nowhere'"),
        (CATCH + "own = {'a': Catch}\nNUM_STEPS = 0", ":own: NUM_STEPS must be an integer >= 1, got 0"),
        (CATCH + "own = {'a': Catch}\nNUM_STEPS = 1e5", ":own: NUM_STEPS must be an integer >= 1, got 100000.0"),
        ("own = {'a': 5}", ":own: ValueError: ['a'] must be a gymnax environment, a pair (environment, params)"),
        ("own = {'a': (5, 6)}", ":own: ValueError: ['a'] must be a gymnax environment, a pair (environment, "),
        ("own = {'a': object}", ":own: ValueError: ['a'] must be a gymnax environment"),
        ("own = {'a': 'atari:Pong'}", ":own: ValueError: ['a'] unknown library 'atari'; known: pgx"),
        ("own = {'a': 'gymnax:Pong'}", ":own: ValueError: ['a'] unknown gymnax environment 'Pong'; perhaps Pong-"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line(suite, tmp_path, text, message):
    with pytest.raises(ValueError) as refusal:
        suite(text)
    assert str(refusal.value).startswith(f"{tmp_path / 'mine.py'}{message}")
    assert "\n" not in str(refusal.value)


def test_a_suite_of_ones_own_may_have_validation_environments_and_its_file_is_part_of_the_fingerprint(suite, tmp_path):
    text = (
        CATCH
        + "from groove.transfer.environments import of_world\nfrom groove.transfer.suites import Suite\n"
        + "from levels.world import GymnaxWorld\n"
        + "def build(suite): return [of_world(suite, 'catch', GymnaxWorld(Catch()), Catch().default_params, 100)]\n"
        + "own = Suite('mine', build, lambda suite: build(suite) * 2)\n"
    )
    (first,) = suite(text)
    assert first.num_steps == 100 and len(find_suite(f"{tmp_path / 'mine.py'}:own")[1].build_validation("own")) == 2
    (second,) = suite(text + "# changed")
    assert first.fingerprint() != second.fingerprint()


def test_two_suites_of_one_name_are_refused(tmp_path):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(CATCH + "own = {'catch': Catch}")
    with pytest.raises(ValueError, match=r"b.py:own: another suite is called own, too"):
        named_suites([f"{tmp_path}/a.py:own", f"{tmp_path}/b.py:own"])


def test_an_environment_by_name_is_a_suite():
    (own,) = built("gymnax:CartPole-v1")
    assert (own.suite, own.name, own.num_steps) == ("gymnax:CartPole-v1", "CartPole-v1", 500_000)


def test_a_library_that_is_not_installed_is_reported_with_its_extra(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match=r"needs brax, which is not installed: .* -m pip install 'brax[<>=.,0-9]+'$"):
        built("brax:an environment that nobody has")


@pytest.mark.parametrize("name", ["atari:Pong", "gymnax:Pong", "gymnax:"])
def test_unknown_names_are_reported_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"^unknown .*; known: "):
        built(name)
