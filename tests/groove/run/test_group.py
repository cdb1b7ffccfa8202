"""Groups: each run is that of its seed alone, what runs share is made once, and a stopped group goes on."""

import json
import os
import shutil
import signal
from pathlib import Path

import jax
import numpy as np
import pytest

from groove.records.group_folder import GroupFolder
from groove.records.json_lines import JsonLines
from groove.records.run_folder import RunFolder
from groove.scoring import closing_table
from lpg.saved_rules import load_rule
from tests.smallest_run import SMALLEST, metrics

REPRODUCED = ("config.json", "metrics.jsonl", "results.json", "rule.safetensors")


@pytest.fixture
def command(in_this_process, monkeypatch):
    """`train` and `resume` of the smallest run in this process; called with arguments, give the exit status."""
    monkeypatch.setattr("groove.commands.train.EXPERIMENTS", {"tiny": SMALLEST})
    return in_this_process


@pytest.fixture
def compiled():
    """The programs that JAX compiles, or reads from the cache of compiled ones."""
    names = []

    def note(event, seconds, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.clear_event_listeners()


def results(folder):
    return {row["name"]: row for row in json.loads((Path(folder) / "results.json").read_text())}


def assert_same_run(path, other):
    for name in REPRODUCED:
        assert (Path(path) / name).read_bytes() == (Path(other) / name).read_bytes(), name


def assert_same_group(path, other, seeds):
    for seed in seeds:
        assert_same_run(f"{path}/seed-{seed}", f"{other}/seed-{seed}")
    assert results(path) == results(other)


def interrupt_at(monkeypatch, run, generation):
    """Ask for a stop when the row of a generation of a run has been written."""
    append = JsonLines.append

    def append_and_interrupt(log, row):
        append(log, row)
        if log.path == RunFolder(run).timing_path and row["generation"] == generation:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(JsonLines, "append", append_and_interrupt)


def test_runs_of_a_group_are_those_of_their_seeds_alone(command, compiled, monkeypatch):
    before_run, tuned, write, tune = [], [], RunFolder.write_config, closing_table.tuned_on

    def note_and_write(folder, config):
        before_run.append(len(compiled))
        write(folder, config)

    monkeypatch.setattr(RunFolder, "write_config", note_and_write)
    monkeypatch.setattr(closing_table, "tuned_on", lambda *settings: tuned.append(settings) or tune(*settings))
    assert command("train", "tiny", "--seeds", 3, 1, "--run", "group") == 0
    # From its first generation to the closing table, the second run uses the programs of the first.
    first, second = before_run
    assert first < second == len(compiled) and len(tuned) == 1
    for seed in (3, 1):
        assert command("train", "tiny", "--seed", seed, "--run", f"alone-{seed}") == 0
        assert_same_run(f"group/seed-{seed}", f"alone-{seed}")
    assert len(compiled) > second


def test_table_of_a_group_is_that_of_its_runs(command, capsys):
    assert command("train", "tiny", "--seeds", 0, 1, 2, "--run", "group") == 0
    printed = capsys.readouterr().out
    assert "seed 1 (2 of 3)" in printed and printed.endswith("group: group\n")
    assert "3 meta-seeds, 4 held-out levels" in printed
    found, runs = results("group"), [results(f"group/seed-{seed}") for seed in range(3)]
    assert list(found) == list(runs[0])
    for name, row in found.items():
        means = [run[name]["mean"] for run in runs]
        learned = name in ("untrained rule", "trained rule")
        assert row["by_seed"] == (pytest.approx(means) if learned else [])
        assert row["mean"] == pytest.approx(np.mean(means)) and row["low"] < row["mean"] < row["high"]
        assert row["mean_return"] == pytest.approx(np.mean([run[name]["mean_return"] for run in runs]))
    # The rules of three seeds differ more than the levels do.
    widths = {name: row["high"] - row["low"] for name, row in found.items()}
    assert widths["trained rule"] > 5 * widths["A2C (tuned)"]
    content = json.loads(Path("group/group.json").read_text())
    assert content["format_version"] == 1 and content["seeds"] == [0, 1, 2]
    assert content["config"] == {name: value for name, value in SMALLEST.to_json().items() if name != "seed"}


def test_stopped_group_goes_on_where_it_was(command, monkeypatch, capsys):
    assert command("train", "tiny", "--seeds", 0, 1, 2, "--run", "whole") == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, "group/seed-1", 2)
        assert command("train", "tiny", "--seeds", 0, 1, 2, "--run", "group") == 130
    line = "groove: seed 1 stopped after generation 2; continue with: groove resume group\n"
    assert capsys.readouterr().err == line
    assert len(metrics(Path("group/seed-1"))) == 3 and not Path("group/seed-2").exists()
    # A run that was killed before it wrote its config.
    Path("group/seed-2").mkdir()
    Path("group/seed-2/.config.json_x.tmp").write_text("{")
    before = Path("group/seed-0/metrics.jsonl").stat().st_mtime_ns
    assert command("resume", "group") == 0
    printed = capsys.readouterr().out
    assert "seed 0 (1 of 3): finished" in printed and "resuming at generation 3 of 6" in printed
    assert Path("group/seed-0/metrics.jsonl").stat().st_mtime_ns == before
    assert_same_group("group", "whole", (0, 1, 2))
    # Resuming a finished group only makes its table again.
    Path("group/results.json").unlink()
    assert command("resume", "group") == 0
    assert_same_group("group", "whole", (0, 1, 2))


def test_all_runs_of_a_group_go_on_to_more_generations(command, monkeypatch):
    assert command("train", "tiny", "--seeds", 0, 1, "--run", "whole") == 0
    assert command("train", "tiny", "--seeds", 0, 1, "--run", "group", "--generations", 4) == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, "group/seed-0", 4)
        assert command("resume", "group", "--generations", 6) == 130
    # The number holds from now on, and the tables of the shorter runs are gone.
    assert not Path("group/seed-0/results.json").exists() and not Path("group/results.json").exists()
    assert command("resume", "group") == 0
    assert_same_group("group", "whole", (0, 1))


def test_fewer_generations_than_are_done_are_refused_and_change_nothing(command, capsys):
    assert command("train", "tiny", "--seeds", 0, 1, "--run", "group", "--generations", 4) == 0
    before = {name: Path("group", name).read_bytes() for name in ("group.json", "results.json")}
    assert command("resume", "group", "--generations", 2) == 2
    assert "--generations must be >= 4, the generations that are done, got 2" in capsys.readouterr().err
    assert {name: Path("group", name).read_bytes() for name in before} == before
    assert command("resume", "group") == 0


def test_seeds_without_a_value_are_refused(command, capsys):
    assert command("train", "tiny", "--seeds", "--run", "group") == 2
    assert "--seeds must be two or more, got 0" in capsys.readouterr().err and not Path("group").exists()


def test_group_starts_at_a_given_rule_also_after_a_stop(command, monkeypatch):
    assert command("train", "tiny", "--run", "first") == 0
    assert command("train", "tiny", "--seeds", 1, 2, "--from", "first", "--run", "whole") == 0
    starting = results("whole")["starting rule"]
    trained = results("first")["trained rule"]
    assert [starting["mean"], *starting["by_seed"]] == pytest.approx([trained["mean"]] * 3)
    with monkeypatch.context() as patch:
        interrupt_at(patch, "group/seed-1", 3)
        assert command("train", "tiny", "--seeds", 1, 2, "--from", "first", "--run", "group") == 130
    shutil.rmtree("first")
    assert command("resume", "group") == 0
    assert_same_group("group", "whole", (1, 2))
    for seed in (1, 2):
        provenance = load_rule(f"group/seed-{seed}")[2]
        assert provenance["start_sha256"] == json.loads(Path("group/group.json").read_text())["start_sha256"]
        assert Path(f"group/seed-{seed}/start.safetensors").read_bytes() == Path("group/start.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", 0, 1, "--seed", 0], "--seed and --seeds do not go together"),
        (["--seeds", 0, 1, "--seed=2"], "--seed and --seeds do not go together"),
        (["--seeds", 0, 1, 0], "--seeds must be different, got 0 more than once"),
        (["--seeds", 0, -1], "--seeds must be integers in 0..4294967295, got -1"),
        (["--seeds", 0, 2**32], "--seeds must be integers in 0..4294967295, got 4294967296"),
        (["--seeds", 4], "--seeds must be two or more, got 1; --seed trains a single run"),
        (["--seeds", 0, "x"], "--seeds must be integers, got '0 x'"),
    ],
)
def test_seeds_that_make_no_group_are_refused(command, capsys, flags, message):
    assert command("train", "tiny", *flags, "--run", "group") == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1 and not Path("group").exists()


@pytest.fixture
def group():
    """The folder of a group whose runs have not begun."""
    with GroupFolder.create("group") as folder:
        folder.write_config({"seeds": [0, 1], "config": SMALLEST.to_json()})
    return folder


def refused(command, capsys, *arguments):
    assert command(*arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("groove: ") and errors.count("\n") == 1
    return errors.removeprefix("groove: ").rstrip("\n")


def test_what_is_not_of_the_group_is_refused(command, group, capsys):
    other = SMALLEST.replaced(workers=4, seed=1)
    with RunFolder.create(group.run(0).path) as run:
        run.write_config({"config": other.to_json()})
    assert refused(command, capsys, "resume", "group") == (
        "group/seed-0: not of the group group, whose workers, seed differ"
    )
    group.run(0).config_path.write_text('{"config": {}}')
    assert refused(command, capsys, "resume", "group").startswith("group/seed-0/config.json: config: fields missing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version must be 1, got 2"),
        ({"seeds": 3}, "must hold a list of seeds and a config"),
        ({"config": None}, "must hold a list of seeds and a config"),
        ({"seeds": [1, 1]}, "--seeds must be different, got 1 more than once"),
        ({"config": {"workers": 4}}, "config: fields missing or unknown: "),
    ],
)
def test_group_file_that_is_none_is_refused(command, group, capsys, change, message):
    content = json.loads(group.config_path.read_text())
    group.config_path.write_text(json.dumps(content | change))
    assert refused(command, capsys, "resume", "group").startswith(f"group/group.json: {message}")


def test_group_in_use_is_refused(command, group, capsys):
    in_use = f"in use by process {os.getpid()}"
    with GroupFolder.open("group"):
        for arguments in (("resume", "group"), ("train", "tiny", "--seeds", 0, 1, "--run", "group")):
            assert refused(command, capsys, *arguments) == f"group: {in_use}"
    with RunFolder.create("group/seed-0"):
        assert refused(command, capsys, "resume", "group") == f"group/seed-0: {in_use}"
    assert "exists and is not empty" in refused(command, capsys, "train", "tiny", "--seeds", 0, 1, "--run", "group")
