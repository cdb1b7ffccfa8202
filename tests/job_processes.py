"""Jobs of two processes over loopback, started for tests and never left behind."""

import socket
import subprocess
import sys
import time

FLAGS = """
    --levels chain_short --curriculum dr --lifetime 2 3 --hidden-size 8 --embedding-size 2 --prediction-size 2
    --workers 2 --rollout-length 4 --population 4 --generations 6 --validation-every 2 --heldout-levels 4
    --checkpoint-every 2 --tune-configurations 1
""".split()  # noqa: SIM905
LIMIT = 300
"""Seconds after which a job that hangs is killed and its test fails."""

STUBBED = """
import os, resource, signal, sys
from groove.commands.main import main
from tests.job_processes import stub_lives

action, *arguments = sys.argv[1:]
calls = 0

def act_later():
    import groove.run.train

    agree = groove.run.train.anywhere

    def act(*flag):
        global calls
        calls += 1
        if calls == 4 and action == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if calls == 4 and action == "ask to stop":
            os.kill(os.getpid(), signal.SIGTERM)
        if calls == 4 and action == "fill the disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        return agree(*flag)

    groove.run.train.anywhere = act

stub_lives(act_later)
sys.exit(main(arguments))
"""
"""A command whose agents' lives cost nothing. Its first argument says what it does when generation 3 is logged."""


def stub_lives(prepare=lambda: None):
    """Let `train` and `resume` in this process build runs whose agents' lives cost nothing.

    Nothing of JAX is imported before a run is built, because a job has to be joined first.
    """
    import groove.commands.resume
    import groove.commands.train

    build = groove.commands.train.build_run

    def stubbed(*config):
        from pytest import MonkeyPatch

        from tests.smallest_run import stub_populations

        stub_populations(MonkeyPatch())
        prepare()
        return build(*config)

    groove.commands.train.build_run = groove.commands.resume.build_run = stubbed


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_job(*arguments, actions=None, commands=None):
    """Return exit status, output and errors of two processes, and the seconds between their ends."""
    commands = commands or [arguments, arguments]
    port, processes, ends = free_port(), [], {}
    for number in range(2):
        start = ["-m", "groove"] if actions is None else ["-c", STUBBED, actions[number]]
        place = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", 2, "--process-id", number]
        command = [sys.executable, *start, *map(str, [*commands[number], *place])]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    try:
        begin = time.monotonic()
        while len(ends) < 2 and time.monotonic() - begin < LIMIT:
            for number, process in enumerate(processes):
                if process.poll() is not None:
                    ends.setdefault(number, time.monotonic())
            time.sleep(0.1)
    finally:
        for process in processes:
            process.kill()
    told = [process.communicate() for process in processes]
    assert len(ends) == 2, f"the job hung: {told}"
    return [(process.returncode, *texts) for process, texts in zip(processes, told, strict=True)], abs(
        ends[0] - ends[1]
    )


def run_one(*arguments):
    command = [sys.executable, "-m", "groove", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode == 0, ended.stderr
