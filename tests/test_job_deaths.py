"""A process of a job that dies: the other reports it and ends, and the run can be resumed."""

from pathlib import Path

import pytest

from tests.job_processes import FLAGS, run_job
from tests.smallest_run import metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("actions", "statuses", "told"),
    [
        (("", "die"), (1, 137), None),
        (("die", ""), (137, 1), None),
        (("fill the disk", ""), (1, 1), "run/rule.safetensors: cannot be written: File too large; earlier checkpoints"),
    ],
)
def test_end_of_a_process_ends_the_job_and_one_process_can_go_on(actions, statuses, told, in_this_process, capsys):
    assert in_this_process("train", "tiny", *FLAGS, "--run", "whole") == 0
    ended, seconds = run_job("train", "tiny", *FLAGS, "--run", "run", actions=actions)
    assert seconds < 60
    for action, status, (returned, _, errors) in zip(actions, statuses, ended, strict=True):
        assert returned == status, errors
        assert errors.startswith("groove: ") and errors.count("\n") == 1
        if not action:
            assert "another process of the job has ended or cannot be reached (" in errors
            assert errors.endswith("resume the run from its last checkpoint with: groove resume run\n")
    if told:
        assert told in ended[0][2]
    assert sorted(path.name for path in Path("run/checkpoints").iterdir()) == ["generation_00000002.safetensors"]
    assert (
        metrics(Path("run")) == metrics(Path("whole"))[: len(metrics(Path("run")))] and len(metrics(Path("run"))) >= 3
    )
    capsys.readouterr()
    assert in_this_process("resume", "run", "--devices", 1) == 0
    assert "resuming at generation 2 of 6" in capsys.readouterr().out
    assert (Path("run") / "metrics.jsonl").read_bytes() == Path("whole", "metrics.jsonl").read_bytes()
