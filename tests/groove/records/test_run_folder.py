"""Run folders: one owner, no half-written file, one line of explanation."""

import json
import os
import signal
import subprocess
import sys

import pytest

from groove.records.json_file import RunFolderError
from groove.records.run_folder import RunFolder
from lpg.atomic_file import replacing
from tests.full_disk import full_disk

HOLD_LOCK = """
import sys, time
from groove.records.run_folder import RunFolder
folder = RunFolder.open(sys.argv[1])
print("locked", flush=True)
time.sleep(60)
"""


def test_create_writes_config_that_open_reads(tmp_path):
    config = {"seed": 7, "rule": {"hidden": 32}, "a_before_z": True}
    with RunFolder.create(tmp_path / "runs" / "first") as folder:
        folder.write_config(config)
    with RunFolder.open(tmp_path / "runs" / "first") as folder:
        assert folder.read_config() == config
        assert list(folder.read_config()) == ["seed", "rule", "a_before_z"]


def test_create_refuses_folder_with_content(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="exists and is not empty") as caught:
        RunFolder.create(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_command_that_wrote_nothing_leaves_no_folder(tmp_path):
    RunFolder.create(tmp_path / "run").close()
    assert not (tmp_path / "run").exists()
    with RunFolder.create(tmp_path / "run") as folder:
        (folder.path / "notes.txt").write_text("mine")
    assert {entry.name for entry in folder.path.iterdir()} == {"lock", "notes.txt"}
    # A folder of the user's own stays, even if it is empty.
    (tmp_path / "own").mkdir()
    RunFolder.create(tmp_path / "own").close()
    assert (tmp_path / "own").is_dir()


def test_create_accepts_folder_of_a_killed_run_that_wrote_nothing(tmp_path):
    (tmp_path / "lock").write_text("1\n")
    RunFolder.create(tmp_path).close()


def test_create_names_what_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file/run: cannot be made: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run")


def test_open_refuses_what_is_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="absent: no such folder"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(RunFolderError, match="not a run folder, it has no config.json"):
        RunFolder.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lock_is_refused_to_a_second_process_and_gone_with_a_killed_one(tmp_path):
    with RunFolder.create(tmp_path / "run") as folder:
        folder.write_config({})
    owner = subprocess.Popen([sys.executable, "-c", HOLD_LOCK, str(folder.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None and owner.stdout.readline() == "locked\n"
        with pytest.raises(RunFolderError) as caught:
            RunFolder.open(folder.path)
        assert str(caught.value) == f"{folder.path}: in use by process {owner.pid}"
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    RunFolder.open(folder.path).close()


def test_lock_holds_within_a_process_until_close(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_config({})
    with pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}"):
        RunFolder.open(folder.path)
    folder.close()
    folder.close()
    RunFolder.open(folder.path).close()


@pytest.mark.parametrize(("text", "reason"), [('{"seed": ', "not JSON"), ("[1]", "must hold a JSON object, got list")])
def test_read_config_names_file_and_fault(tmp_path, text, reason):
    folder = RunFolder(tmp_path)
    folder.config_path.write_text(text)
    with pytest.raises(RunFolderError, match=f"config.json: {reason}"):
        folder.read_config()


def test_write_config_onto_a_full_disk_keeps_the_old_one(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config({"seed": 1})
    with full_disk(), pytest.raises(RunFolderError, match="config.json: cannot be written: File too large"):
        folder.write_config({"seed": 2, "filler": "x" * 10_000})
    assert json.loads(folder.config_path.read_text()) == {"seed": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_write_results_knows_no_nan_and_keeps_the_old_ones_on_a_full_disk(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_results([{"name": "rule", "mean": 0.5, "standard_error": float("nan")}])
    written = [{"name": "rule", "mean": 0.5, "standard_error": None}]
    assert json.loads(folder.results_path.read_text()) == written
    with full_disk(), pytest.raises(RunFolderError, match="results.json: cannot be written: File too large"):
        folder.write_results([{"name": "x" * 10_000}])
    assert json.loads(folder.results_path.read_text()) == written


def test_replacing_shows_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_run_folder_imports_no_jax():
    program = "import sys, groove.records.run_folder, groove.records.json_lines; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
