"""Jobs: bad flags, and processes whose end is reported in one line."""

import os
import signal
import subprocess
import sys

import pytest

from groove.commands.main import main
from groove.job.distributed import Job, JobFlags, job

ALL = ["--distributed", "--coordinator", "127.0.0.1:1234", "--processes", "2", "--process-id", "0"]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--processes", "2"], "--processes goes with --distributed"),
        (["--distributed", "--processes", "2"], "go together; --coordinator is missing"),
        (ALL[:-2], "go together; --process-id is missing"),
        ([*ALL[:2], "localhost", *ALL[3:]], "--coordinator must be HOST:PORT with a port in 1..65535, got localhost"),
        ([*ALL[:2], "host:65536", *ALL[3:]], "--coordinator must be HOST:PORT with a port in 1..65535, got host:65536"),
        ([*ALL[:-1], "2"], "--process-id must be in 0..1, got 2"),
        ([*ALL[:-1], "-1"], "--process-id must be in 0..1, got -1"),
        ([*ALL[:4], "0", *ALL[5:]], "--processes must be >= 1, got 0"),
        (["--coordinater", "host:1"], "unknown flag --coordinater; perhaps --coordinator"),
    ],
)
@pytest.mark.parametrize("command", [["train", "tiny"], ["resume", "run"]])
def test_bad_flags_are_refused_in_one_line(command, flags, reason, capsys):
    assert main([*command, *flags]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("groove: ") and reason in errors and errors.count("\n") == 1


def test_run_without_the_flag_is_a_job_of_one_process():
    with job(JobFlags(), None) as place:
        assert place == Job(0, 1) and place.writes and place.tell("mine") == ["mine"]


def test_no_cluster_is_reported_in_one_line(tmp_path):
    # In a separate process, because one that joins a job ends with it.
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "OMPI", "KUBER"))}
    command = [sys.executable, "-m", "groove", "train", "tiny", "--distributed", "--run", str(tmp_path / "run")]
    ended = subprocess.run(command, capture_output=True, text=True, env=outside, timeout=100, check=False)
    assert ended.returncode == 2 and not (tmp_path / "run").exists()
    assert ended.stderr.startswith("groove: --distributed found no Slurm, Open MPI or Kubernetes job here; give ")
    assert ended.stderr.count("\n") == 1


SUPERVISED = """
import os, signal, sys, time
from groove.job.supervision import supervise
supervise(lambda reason: f"lost ({reason})", "not met")
def say(text):
    os.write(2, text.encode())
"""

POLLED = r"say('E1122 20:59:12.388802 1 agent.cc:289] Polled an error\n');"
FATAL = (
    r"say('F1122 20:59:12.388832 1 client.h:80] Terminating process because the JAX distributed service detected "
    r"fatal errors. absl::Status: UNAVAILABLE: Socket closed. Check the log\nof others\n');"
)


@pytest.mark.parametrize(
    ("ending", "told", "status"),
    [
        (POLLED + FATAL + "os._exit(1)", "lost (UNAVAILABLE: Socket closed)\n", 1),
        (FATAL + "os.abort()", "lost (UNAVAILABLE: Socket closed)\n", 1),
        (r"say('lost (me)\n');" + POLLED + FATAL + "os._exit(1)", "lost (me)\n", 1),
        (POLLED + r"say('lost (me)\n');" + FATAL + "os._exit(1)", "lost (UNAVAILABLE: Socket closed)\n", 1),
        (POLLED + r"say('groove: why\n'); os._exit(2)", "groove: why\n", 2),
        (FATAL + r"say('RPC: x.CoordinationService/RegisterTask\n'); os.abort()", "not met\n", 2),
        (r"say('two\nlines'); sys.exit(3)", "two\nlines\n", 3),
        (POLLED + "sys.exit()", "E1122 20:59:12.388802 1 agent.cc:289] Polled an error\n", 0),
        ("os.kill(os.getpid(), signal.SIGKILL)", "groove: ended by SIGKILL\n", 137),
        ("print('output')", "", 0),
    ],
)
def test_supervised_process_ends_with_the_lines_and_the_status(ending, told, status):
    command = [sys.executable, "-c", SUPERVISED + ending]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stderr, ended.returncode) == (told, status)


WAITS = """
signal.signal(signal.SIGTERM, lambda *_: (say("stopping\\n"), os._exit(7)))
print("ready", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize(
    ("number", "told", "status"), [(signal.SIGTERM, "stopping\n", 7), (signal.SIGKILL, "", -signal.SIGKILL)]
)
def test_signals_reach_the_supervised_process(number, told, status):
    command = [sys.executable, "-c", SUPERVISED + WAITS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        try:
            assert watcher.stdout.readline() == "ready\n"
            watcher.send_signal(number)
            # The output ends only when both processes have ended.
            _, errors = watcher.communicate(timeout=20)
        finally:
            watcher.kill()
    assert (errors, watcher.returncode) == (told, status)
