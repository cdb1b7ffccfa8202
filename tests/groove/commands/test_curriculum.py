"""`groove curriculum`: tables, pictures, level files, and one line for every mistake."""

import fcntl

import numpy as np
import pytest

from groove.commands.main import main
from groove.records.group_folder import GroupFolder
from groove.report.curriculum_snapshot import read_snapshot
from levels.level_folder import level_folder
from tests.groove.kept_levels import CONFIG, kept_buffer, learnability_state, write_metrics, write_run

PICTURES = ["gallery.png", "regret_over_time.png", "regret_vs_exact.png", "drift.png", "history.png", "sampling.png"]


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """Each command runs in a folder with one run, "plr", on the devices that there are."""
    monkeypatch.setattr("groove.commands.curriculum.configure_host", lambda: None)
    monkeypatch.chdir(tmp_path)
    folder = write_run(tmp_path / "plr", curriculum=kept_buffer())
    write_metrics(folder)
    return folder


def curriculum(*arguments):
    return main(["curriculum", *map(str, arguments)])


def refused(capsys, *arguments):
    assert curriculum(*arguments) == 2
    printed, errors = capsys.readouterr()
    assert printed == "" and errors.startswith("groove: ") and errors.count("\n") == 1
    return errors


def test_run_is_shown_and_drawn(capsys, run):
    assert curriculum("plr", "--rows", 2) == 0
    printed, errors = capsys.readouterr()
    assert errors == "" and printed.startswith("plr by algorithmic_regret, after generation 20: 5 of 8 levels kept")
    # The optimum of the best level was solved: .625 is what lies beside its start.
    (best,) = [line for line in printed.splitlines() if line.split()[:1] == ["12"]]
    assert best.split()[5:8] == ["0.750", "-0.250", "0.625"]
    assert printed.count("by noise they can exceed the exact optimum") == 1
    assert printed.splitlines()[-6:] == [f"plr/curriculum/{name}" for name in PICTURES]
    assert sorted(path.name for path in run.curriculum_path.iterdir()) == sorted(PICTURES)
    assert all((run.curriculum_path / name).read_bytes().startswith(b"\x89PNG") for name in PICTURES)


def test_run_that_goes_on_is_read_and_left_alone(capsys, run):
    with (run.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with run.metrics_path.open("a") as metrics:
            metrics.write('{"generation": 12, "regr')
        before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        assert curriculum("plr", "--out", "elsewhere") == 0
        assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert capsys.readouterr().out.splitlines()[-1] == "elsewhere/sampling.png"


def test_runs_of_a_group_are_shown_one_at_a_time(capsys, run):
    with GroupFolder.create("group") as group:
        group.write_config({"seeds": [0, 1], "config": CONFIG.to_json()})
    run.path.rename(group.run(1).path)
    assert refused(capsys, "group") == "groove: group: a group of runs; name one of them: group/seed-1\n"
    assert curriculum("group/seed-1", "--out", "elsewhere") == 0


def test_what_cannot_be_drawn_is_told(capsys, tmp_path, run):
    config = CONFIG.replaced(curriculum="sfl")
    write_run(tmp_path / "sfl", config, learnability_state())
    assert curriculum("sfl") == 0
    printed, _ = capsys.readouterr()
    assert "regret_vs_exact.png left out: a curriculum scored by learnability trains no antagonists\n" in printed
    assert "drift.png left out: the metrics hold no features of grid levels\n" in printed
    drawn = sorted(path.name for path in (tmp_path / "sfl" / "curriculum").iterdir())
    assert drawn == ["gallery.png", "history.png", "sampling.png"]


def test_run_without_levels_yet_has_a_summary(capsys, tmp_path):
    write_run(tmp_path / "young")
    assert curriculum("young") == 0
    printed, errors = capsys.readouterr()
    assert errors == "" and printed.startswith("plr by algorithmic_regret, after generation 20: 0 of 8 levels kept")
    assert "history.png left out: the run holds fewer than two snapshots of its buffer\n" in printed
    assert "gallery.png left out: no level is kept yet\n" in printed and "score" not in printed.splitlines()[1]
    assert refused(capsys, "young", "--export", "out") == "groove: no level with a score is kept yet\n"


def test_run_on_chains_has_a_table_but_no_gallery_and_no_level_files(capsys, tmp_path):
    config = CONFIG.replaced(levels="chain_short", score="uniform")
    write_run(tmp_path / "chains", config)
    assert curriculum("chains") == 0
    assert "gallery.png left out: the levels of chain_short are not grids\n" in capsys.readouterr().out
    assert "chain_short are not grids" in refused(capsys, "chains", "--export", "out")


def test_broken_checkpoint_is_passed_over_and_told(capsys, run):
    (run.checkpoints_path / "generation_00000030.safetensors").write_bytes(b"cut off")
    assert curriculum("plr", "--why", 12) == 0
    assert capsys.readouterr().err.startswith("groove: skipped plr/checkpoints/generation_00000030.safetensors")


def test_why_explains_one_level_and_draws_nothing(capsys, run):
    assert curriculum("plr", "--why", 17) == 0
    printed, _ = capsys.readouterr()
    assert "\nlevel 17\n" in printed and "17 ← 9 ← 4 ← 3 (freshly drawn)" in printed
    assert not run.curriculum_path.exists()
    assert refused(capsys, "plr", "--why", 18) == "groove: level 18 is not kept; kept: 5 levels with numbers in 3..17\n"


def test_exported_levels_are_read_by_a_fixed_curriculum(capsys, tmp_path, run):
    assert curriculum("plr", "--export", "best", "--top", 2) == 0
    assert capsys.readouterr().out == "best: 2 levels, the best by algorithmic_regret\n"
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["0001-level-12.toml", "0002-level-9.toml"]
    snapshot = read_snapshot(run, CONFIG)
    back = level_folder(tmp_path / "best", snapshot.world).levels
    for row in range(2):
        level = snapshot.level(row)
        for name in level.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(back, name)[row], getattr(level, name), err_msg=name)
    assert not run.curriculum_path.exists()


def test_export_takes_all_that_have_a_score_by_default(capsys, tmp_path):
    assert curriculum("plr", "--export", "deep/all") == 0
    assert capsys.readouterr().out.startswith("deep/all: 4 levels")
    # Level 17 has none.
    assert [path.stem.split("-")[-1] for path in sorted((tmp_path / "deep" / "all").iterdir())] == ["12", "9", "4", "3"]
    line = refused(capsys, "plr", "--export", "deep/all")
    assert line == "groove: deep/all: already holds level files; name another folder\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("", ["curriculum needs RUN: folder of the run"]),
        ("absent", ["absent: no such folder"]),
        ("no_run", ["no_run: not a run folder, it has no config.json"]),
        ("early", ["early/checkpoints: no checkpoint"]),
        ("plain", ["plain: its curriculum, dr, keeps no levels"]),
        ("odd", ["odd/config.json: config must be a JSON object"]),
        ("torn", ["torn/metrics.jsonl: line 1 is not JSON"]),
        ("plr --rows 0", ["--rows must be >= 1, got 0"]),
        ("plr --row 3", ["unknown flag --row; perhaps --rows (see groove curriculum --help)"]),
        ("plr --why x", ["--why", "'x'"]),
        ("plr --top 3", ["--top goes with --export"]),
        ("plr --export new --top 0", ["--top must be in 1..4, the levels with a score, got 0"]),
        ("plr --export new --top 5", ["--top must be in 1..4, the levels with a score, got 5"]),
        ("plr --export new --why 3", ["--why and --export do not go together"]),
        ("plr --export file", ["file"]),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, tmp_path, run, arguments, parts):
    (tmp_path / "no_run").mkdir()
    (tmp_path / "file").write_text("")
    if "early" in arguments:
        early = write_run(tmp_path / "early")
        for path in early.checkpoints_path.iterdir():
            path.unlink()
    write = {"plain": {"config": CONFIG.replaced(curriculum="dr").to_json()}, "odd": {"config": 3}}
    if arguments in write:
        write_run(tmp_path / arguments).write_config(write[arguments])
    if arguments == "torn":
        write_run(tmp_path / "torn").metrics_path.write_text("{,}\n")
    line = refused(capsys, *arguments.split())
    assert all(part in line for part in parts), line
    assert not (tmp_path / "new").exists() and not run.curriculum_path.exists()


def test_folder_of_pictures_that_cannot_be_made_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert curriculum("plr", "--out", "file/pictures") == 2
    errors = capsys.readouterr().err
    assert errors.startswith("groove: ") and errors.count("\n") == 1 and "file" in errors
