"""`groove levels edit`: edited files, printed levels, and one line for every mistake."""

import tomllib

import pytest

from groove.commands.main import main
from levels.level_file import load_level
from levels.registry import GENERATORS
from tests.smallest_run import settle_devices

ROW = """\
max_steps = 10
lifetime = 3
num_slots = 2
map = \"\"\"
Sa.#
\"\"\"

[[objects]]
symbol = "a"
type = 0
reward = 0.5
terminate_prob = 1
respawn_prob = 0
"""


@pytest.fixture(autouse=True)
def row_file(tmp_path, monkeypatch):
    """Each command runs in a folder with one level file: a start, an object, a free cell and a wall in a row."""
    settle_devices(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "row.toml").write_text(ROW)


def edit(*arguments):
    return main(["levels", "edit", *map(str, arguments)])


def test_edit_writes_the_edited_level(capsys, tmp_path):
    assert edit("row.toml", "--edit", "move_start", "--edit", "add_object", "-o", "new.toml") == 0
    assert capsys.readouterr() == ("new.toml\n", "")
    values = tomllib.loads((tmp_path / "new.toml").read_text())
    # The start goes to the only free cell, and the new object to the one that this leaves.
    assert values["map"].strip() == "baS#" and [entry["type"] for entry in values["objects"]] == [0, 1]
    assert values["lifetime"] == 3 and values["objects"][0]["reward"] == 0.5
    assert (tmp_path / "row.toml").read_text() == ROW


def test_edits_are_made_in_their_order(capsys, tmp_path):
    assert edit("row.toml", "--edit", "add_object", "--edit", "move_start", "--out", "new.toml") == 0
    assert capsys.readouterr() == ("new.toml\n", "groove: move_start changed nothing\n")
    assert tomllib.loads((tmp_path / "new.toml").read_text())["map"].strip() == "Sab#"


def test_edit_prints_as_show_does(capsys):
    assert edit("row.toml", "--edit", "move_object") == 0
    printed, errors = capsys.readouterr()
    assert printed == "row.toml\nS.a#\na: type 0, reward +0.5, ends 1, returns 0\n" and errors == ""


def test_edit_that_could_not_be_made_is_told(capsys):
    assert edit("row.toml", "--edit", "remove_object", "--edit", "add_object", "--times", 2) == 0
    printed, errors = capsys.readouterr()
    # Of two rounds the first finds one object only, the second takes one of two away again.
    assert errors == "groove: remove_object changed nothing, 1 of 2 times\n" and printed.count("type") == 2


def test_edit_is_repeated_and_follows_its_seed(tmp_path):
    assert main(["levels", "sample", "maze_spiral"]) == 0
    plain = load_level(tmp_path / "maze_spiral-0-0.toml").walls
    walls = {}
    for name, times, seed in (("often", 20, 1), ("again", 20, 1), ("other", 20, 2), ("once", 1, 1)):
        flags = ["--edit", "flip_wall", "--times", times, "--seed", seed, "-o", f"{name}.toml"]
        assert edit("maze_spiral-0-0.toml", *flags) == 0
        walls[name] = load_level(tmp_path / f"{name}.toml").walls
    assert (walls["often"] == walls["again"]).all() and (walls["often"] != walls["other"]).any()
    # A cell may be flipped back.
    assert (plain != walls["once"]).sum() == 1 and 10 < (plain != walls["often"]).sum() <= 20


def test_edit_draws_from_a_distribution_what_sample_draws(capsys, tmp_path):
    assert main(["levels", "sample", "small", "--seed", "5"]) == 0
    assert edit("small", "--edit", "max_steps", "--seed", 5, "-o", "edited.toml") == 0
    plain, edited = load_level(tmp_path / "small-5-0.toml"), load_level(tmp_path / "edited.toml")
    assert (plain.walls == edited.walls).all() and plain.max_steps_in_episode != edited.max_steps_in_episode


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("", ["levels edit needs LEVEL: level file, or name of a distribution"]),
        ("row.toml", ["name an edit with --edit; known: flip_wall", "max_steps"]),
        ("row.toml --edit flop", ["unknown edit 'flop'; known: flip_wall, ", "move_start", "respawn"]),
        ("row.toml --edit reward --edit", ["--edit needs a value"]),
        ("row.toml --edit reward --times 0", ["--times must be >= 1, got 0"]),
        ("row.toml --edit reward --times x", ["--times", "'x'"]),
        ("row.toml --edit reward --seed -1", ["--seed must be in 0..4294967295, got -1"]),
        ("row.toml --edit reward -o absent/new.toml", ["absent/new.toml"]),
        ("row.toml --edits reward", ["unknown flag --edits; perhaps --edit (see groove levels edit --help)"]),
        ("row.toml row.toml --edit reward", ["row.toml"]),
        ("absent.toml --edit reward", ["absent.toml: no such level file", *GENERATORS]),
        ("cut.toml --edit reward", ["cut.toml: map", "is missing"]),
        ("chain_short --edit reward", ["chain_short: its levels are not grid levels"]),
    ],
)
def test_edit_names_the_mistake(capsys, tmp_path, arguments, parts):
    (tmp_path / "cut.toml").write_text("max_steps = 5\n")
    assert edit(*arguments.split()) == 2
    printed, errors = capsys.readouterr()
    assert errors.startswith("groove: ") and errors.count("\n") == 1 and printed == ""
    assert all(part in errors for part in parts), errors
    assert not (tmp_path / "new.toml").exists()


def test_show_takes_the_level_files_of_a_folder(capsys, tmp_path):
    (tmp_path / "some").mkdir()
    assert main(["levels", "show", "some"]) == 2
    assert capsys.readouterr().err == "groove: some: this folder has no level files (*.toml)\n"
    for name in ("b", "a"):
        (tmp_path / "some" / f"{name}.toml").write_text(ROW)
    assert main(["levels", "show", "some"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("some/a.toml") < shown.index("some/b.toml") and "row.toml" not in shown
