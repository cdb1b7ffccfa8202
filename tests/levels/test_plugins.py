"""Objects in a user's own files: built once, found again after a move, one line for whatever is wrong."""

import warnings

import pytest

from levels.plugins import (
    PluginChangedWarning,
    PluginError,
    absolute,
    file_sha256,
    find_again,
    is_plugin,
    load_object,
    load_plugin,
)
from levels.registry import generator

KNOWN = ("small", "plr")


def load(name, *arguments):
    return load_plugin(name, "a thing", ("sample",), KNOWN, *arguments)


@pytest.fixture
def mine(tmp_path):
    """Write mine.py; the result names one of its objects."""

    def write(text):
        (tmp_path / "mine.py").write_text(text)
        return lambda part: f"{tmp_path / 'mine.py'}:{part}"

    return write


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine.py:Poles", True),
        ("/a b/mine.py:_x1", True),
        ("small", False),
        ("mine.py", False),
        ("mine.py:", False),
        ("mine.py:1a", False),
        ("gymnasium:CartPole-v1", False),
    ],
)
def test_is_plugin(name, expected):
    assert is_plugin(name) == expected


def test_a_plugin_is_an_object_or_what_builds_it_with_the_arguments_that_it_takes(mine):
    own = mine(
        "class Bare:\n    def sample(self, key): return 1\n"
        "class Set:\n    def __init__(self, settings): self.settings = settings\n    def sample(self, key): return 2\n"
        "def make(settings): return Set(settings)\n"
        "thing = Bare()\n"
    )
    assert load(own("thing"), "settings").sample(None) == load(own("Bare"), "settings").sample(None) == 1
    assert load(own("Set"), "settings").settings == load(own("make"), "settings").settings == "settings"


def test_a_plugin_is_built_once_for_each_version_of_its_file(mine):
    own = mine("class Bare:\n    def sample(self, key): return 1\n")
    first = load(own("Bare"))
    assert load(own("Bare")) is first
    mine("class Bare:\n    def sample(self, key): return 2\n")
    assert load(own("Bare")).sample(None) == 2


def test_a_file_may_import_the_modules_beside_it(mine, tmp_path):
    (tmp_path / "beside_a_plugin.py").write_text("NUMBER = 7")
    assert load_object(mine("from beside_a_plugin import NUMBER")("NUMBER"), "a number", KNOWN) == 7


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("import nowhere_at_all", "x", ": x, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("a = 1\nraise SystemExit(3)", "x", ": x, line 2: SystemExit: 3"),
        ("def f(:\n", "x", ": x: SyntaxError: invalid syntax (mine.py, line 1)"),
        ("Poles = 1", "Pols", ": defines no Pols; perhaps Poles"),
        ("plr = 1", "plr", ": plr is the name of a thing that is built in; give yours another name"),
        ("thing = 5", "thing", ": thing must be a thing, but it lacks sample"),
        (
            "class Bare:\n    def __init__(self): self.x = 1 / 0",
            "Bare",
            ": Bare, called to build a thing, line 2: ZeroDivisionError",
        ),
        ("def make(): return None", "make", ": make must be a thing, but it lacks sample"),
    ],
)
def test_a_bad_plugin_is_refused_in_one_line_with_file_and_name(mine, tmp_path, text, part, message):
    with pytest.raises(PluginError) as refusal:
        load(mine(text)(part))
    assert str(refusal.value).startswith(f"{tmp_path / 'mine.py'}{message}") and "\n" not in str(refusal.value)


@pytest.mark.parametrize(("name", "reason"), [("absent.py", "No such file"), ("folder.py", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(PluginError, match=f"{name}: cannot be read: {reason}"):
        load(f"{tmp_path / name}:x")


def test_find_again_looks_where_the_file_was_and_beside_what_records_it(mine, tmp_path):
    name = mine("x = 1")("x")
    recorded = {str(tmp_path / "mine.py"): file_sha256(name)}
    rule = tmp_path / "elsewhere" / "rule.safetensors"
    rule.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_again(name, recorded, rule) == absolute(name)
        (tmp_path / "mine.py").rename(rule.parent / "mine.py")
        assert find_again(name, recorded, rule) == f"{rule.parent / 'mine.py'}:x"
        group = rule.parent / "seed-0" / "rule.safetensors"
        assert find_again(name, recorded, group) == f"{rule.parent / 'mine.py'}:x"
    (rule.parent / "mine.py").unlink()
    with pytest.raises(PluginError, match=r"rule.safetensors: needs .*mine.py, which is neither there nor"):
        find_again(name, recorded, rule)


def test_find_again_warns_of_a_file_that_has_changed(mine, tmp_path):
    name = mine("x = 1")("x")
    recorded = {str(tmp_path / "mine.py"): file_sha256(name)}
    mine("x = 2")
    with pytest.warns(PluginChangedWarning, match=r"mine.py has changed since .*config.json was written"):
        find_again(name, recorded, tmp_path / "config.json")


def test_generators_of_a_users_own_are_found_by_name(mine):
    own = mine("import levels\nHalls = levels.generator('maze_four_rooms')\nclass Empty: pass\n")
    assert generator(own("Halls")) == generator("maze_four_rooms")
    with pytest.raises(PluginError, match="Empty must be a level generator, but it lacks world, sample"):
        generator(own("Empty"))
