"""Environments from a user's file or another library: what they may be, and one line for anything else."""

import importlib

import pytest

from groove.transfer.own_environments import suite_of_file, suite_of_name
from levels.world import GymnaxWorld

CATCH = "from gymnax.environments.bsuite.catch import Catch\n"


@pytest.fixture
def suite(tmp_path):
    """Write a file mine.py and return its suite."""

    def of(text):
        (tmp_path / "mine.py").write_text(text)
        return suite_of_file(tmp_path / "mine.py")

    return of


def test_a_file_may_assign_classes_objects_pairs_and_names(suite):
    found = suite(
        CATCH
        + "from levels.world import GymnaxWorld\n"
        + "env = Catch(rows=4, columns=3)\n"
        + "ENVIRONMENTS = {'class': Catch, 'object': env, 'pair': (env, env.default_params.replace("
        + "max_steps_in_episode=7)), 'world': (GymnaxWorld(env), env.default_params), 'name': 'gymnax:CartPole-v1',"
        + "'class and params': (Catch, env.default_params)}\n"
        + "NUM_STEPS = 123"
    )
    names = ["class", "object", "pair", "world", "name", "class and params"]
    assert [own.name for own in found] == names and {own.suite for own in found} == {"mine"}
    shapes = [own.world.observation_shape for own in found]
    assert shapes == [(10, 5), (4, 3), (4, 3), (4, 3), (4,), (10, 5)]
    assert {(own.num_steps, own.num_updates, own.torso, own.num_levels) for own in found} == {
        (123, None, "standard", 1)
    }
    assert found[2].levels.max_steps_in_episode.tolist() == [7] and isinstance(found[3].world, GymnaxWorld)
    assert found[1].world == found[2].world == found[3].world


def test_lives_take_half_a_million_steps_by_default(suite):
    assert suite(CATCH + "ENVIRONMENTS = {'catch': Catch}")[0].num_steps == 500_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must assign ENVIRONMENTS, a dict of environments by name"),
        ("ENVIRONMENTS = {}", "must assign ENVIRONMENTS, a dict of environments by name"),
        ("ENVIRONMENTS = [1]", "must assign ENVIRONMENTS, a dict of environments by name"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        (CATCH + "ENVIRONMENTS = {'a': Catch}\nNUM_STEPS = 0", "NUM_STEPS must be an integer >= 1, got 0"),
        (CATCH + "ENVIRONMENTS = {'a': Catch}\nNUM_STEPS = 1e5", "NUM_STEPS must be an integer >= 1, got 100000.0"),
        ("ENVIRONMENTS = {'a': 5}", "ENVIRONMENTS['a']: must be a gymnax environment, a pair (environment, params)"),
        ("ENVIRONMENTS = {'a': (5, 6)}", "ENVIRONMENTS['a']: must be a gymnax environment, a pair (environment, "),
        ("ENVIRONMENTS = {'a': object}", "ENVIRONMENTS['a']: must be a gymnax environment"),
        ("ENVIRONMENTS = {'a': 'atari:Pong'}", "ENVIRONMENTS['a']: unknown library 'atari'; known: pgx"),
        ("ENVIRONMENTS = {'a': 'gymnax:Pong'}", "ENVIRONMENTS['a']: unknown gymnax environment 'Pong'; known: "),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line(suite, tmp_path, text, message):
    with pytest.raises(ValueError) as refusal:
        suite(text)
    assert str(refusal.value).startswith(f"{tmp_path / 'mine.py'}: {message}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["absent.py", "folder.py", "text.txt"])
def test_anything_but_a_python_file_is_refused(tmp_path, name):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "text.txt").write_text("ENVIRONMENTS = {}")
    with pytest.raises(ValueError, match=f"{name}: no such Python file"):
        suite_of_file(tmp_path / name)


def test_an_environment_by_name_is_a_suite():
    (own,) = suite_of_name("gymnax:CartPole-v1")
    assert (own.suite, own.name, own.num_steps) == ("gymnax:CartPole-v1", "CartPole-v1", 500_000)


def test_a_library_that_is_not_installed_is_reported_with_its_extra(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match=r"needs brax, which is not installed: .* -m pip install 'brax[<>=.,0-9]+'$"):
        suite_of_name("brax:an environment that nobody has")


@pytest.mark.parametrize("name", ["atari:Pong", "gymnax:Pong", "gymnax:"])
def test_unknown_names_are_reported_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"^unknown .*; known: "):
        suite_of_name(name)
