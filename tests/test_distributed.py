"""Jobs of two processes over loopback: the run equals that of one process, and all processes do the same."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.job_processes import FLAGS, run_job, run_one


@pytest.mark.slow
def test_job_of_two_processes_is_the_run_of_one(tmp_path):
    train = ["train", "tiny", *FLAGS]
    run_one(*train, "--devices", 2, "--run", tmp_path / "one")
    ended, _ = run_job(*train, "--run", tmp_path / "two")
    (status, output, errors), other = ended
    assert (status, errors) == (0, "") and other == (0, "", "")
    assert "generation 6: " in output and "Gloo" not in output
    for name in ("metrics.jsonl", "results.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    assert len(json.loads((tmp_path / "two" / "config.json").read_text())["devices"]) == 2


@pytest.mark.slow
def test_job_stops_and_resumes_as_one(in_this_process):
    assert in_this_process("train", "tiny", *FLAGS, "--run", "whole") == 0
    # Only process 1 is asked to stop.
    ended, _ = run_job("train", "tiny", *FLAGS, "--run", "run", actions=("", "ask to stop"))
    assert [status for status, _, _ in ended] == [130, 130]
    assert [errors for _, _, errors in ended] == [
        "groove: stopped after generation 4; continue with: groove resume run\n",
        "",
    ]
    # Process 1 has no run folder: it gets config and checkpoint from process 0.
    ended, _ = run_job("resume", "run", actions=("", ""))
    assert [(status, errors) for status, _, errors in ended] == [(0, ""), (0, "")]
    assert (Path("run") / "metrics.jsonl").read_bytes() == Path("whole", "metrics.jsonl").read_bytes()


@pytest.mark.slow
def test_job_resumes_a_group_whose_folder_only_the_first_process_sees(in_this_process):
    assert in_this_process("train", "tiny", *FLAGS, "--run", "first") == 0
    group = ["train", "tiny", *FLAGS, "--seeds", 0, 1, 2, "--from", "first", "--run"]
    assert in_this_process(*group, "whole") == in_this_process(*group, "group") == 0
    # The first run is finished, the second was stopped, and the third has not begun.
    for name in ("results.json", "seed-1/results.json", "seed-1/checkpoints/generation_00000006.safetensors"):
        Path("group", name).unlink()
    shutil.rmtree("group/seed-2")
    ended, _ = run_job(commands=[["resume", "group"], ["resume", "elsewhere/group"]], actions=("", ""))
    assert [(status, errors) for status, _, errors in ended] == [(0, ""), (0, "")]
    assert "seed 0 (1 of 3): finished" in ended[0][1] and "resuming at generation 4 of 6" in ended[0][1]
    for name in ("results.json", "seed-1/metrics.jsonl", "seed-2/metrics.jsonl", "seed-2/results.json"):
        assert Path("group", name).read_bytes() == Path("whole", name).read_bytes(), name
    assert b"starting rule" in Path("group/results.json").read_bytes()


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (
            ["train tiny --run run --seed 1", "train tiny --run run --seed 2"],
            "--seed must be the same in all processes",
        ),
        (["train tiny --run run", "resume run"], "got groove resume in process 1 and groove train in process 0"),
        (["train tiny --run run --chunk 1", "train tiny --run run"], "--chunk must be the same in all processes"),
    ],
)
def test_processes_with_other_commands_are_refused(commands, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    ended, _ = run_job(commands=[command.split() for command in commands])
    lost = "another process of the job has ended or cannot be reached"
    assert 2 in [status for status, _, _ in ended] and not Path("run").exists()
    for status, _, errors in ended:
        # The first process to notice ends, and the other may miss it before noticing the cause itself.
        assert (status, reason in errors) == (2, True) or (status, lost in errors) == (1, True)
        assert errors.startswith("groove: ") and errors.count("\n") == 1 and not Path("run").exists()
