"""Jobs of two processes over loopback: the run is that of one process, and a death is told and survived."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groove.cli import main
from tests.smallest_run import SMALLEST, settle_devices, stub_populations

FLAGS = """
    --levels chain_short --curriculum dr --lifetime 2 3 --hidden-size 8 --embedding-size 2 --prediction-size 2
    --workers 2 --rollout-length 4 --population 4 --generations 6 --heldout-every 2 --heldout-levels 4
    --checkpoint-every 2 --tune-configurations 1
""".split()  # noqa: SIM905
LIMIT = 300
"""Seconds after which a job that hangs is killed and its test fails."""

STUBBED = """
import os, resource, signal, sys
import groove.train_command

action, *arguments = sys.argv[1:]
build, calls = groove.train_command._build, 0

def stubbed(*config):
    import groove.train
    from pytest import MonkeyPatch
    from tests.smallest_run import stub_populations

    stub_populations(MonkeyPatch())
    agree = groove.train.anywhere

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

    groove.train.anywhere = act
    return build(*config)

groove.train_command._build = stubbed
sys.exit(groove.cli.main(arguments))
"""
"""A command whose agents' lives cost nothing. Its first argument says what it does when generation 3 is logged."""


def as_shipped():
    """The environment without the flag that tests compile their programs with."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_job(*arguments, actions=None, commands=None):
    """Exit status, output and errors of two processes, and the seconds between their ends."""
    commands = commands or [arguments, arguments]
    port, processes, ends = free_port(), [], {}
    for number in range(2):
        start = ["-m", "groove"] if actions is None else ["-c", STUBBED, actions[number]]
        place = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", 2, "--process-id", number]
        command = [sys.executable, *start, *map(str, [*commands[number], *place])]
        environment = as_shipped() if actions is None else None
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        )
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
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, env=as_shipped())
    assert ended.returncode == 0, ended.stderr


def rows(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_job_of_two_processes_is_the_run_of_one(tmp_path):
    run_one("train", "tiny", *FLAGS, "--devices", 2, "--run", tmp_path / "one")
    ended, _ = run_job("train", "tiny", *FLAGS, "--run", tmp_path / "two")
    (status, output, errors), other = ended
    assert (status, errors) == (0, "") and other == (0, "", "")
    assert "generation 6: " in output and "Gloo" not in output
    for name in ("metrics.jsonl", "results.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    assert len(json.loads((tmp_path / "two" / "config.json").read_text())["devices"]) == 2


@pytest.fixture
def in_this_process(tmp_path, monkeypatch):
    """Commands of stubbed populations in this process; called with arguments."""
    settle_devices(monkeypatch)
    stub_populations(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=os.pathsep)
    return lambda *arguments: main([str(argument) for argument in arguments])


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
            assert errors.endswith("go on from its last checkpoint with: groove resume run\n")
    if told:
        assert told in ended[0][2]
    assert sorted(path.name for path in Path("run/checkpoints").iterdir()) == ["generation_00000002.safetensors"]
    assert rows(Path("run")) == rows(Path("whole"))[: len(rows(Path("run")))] and len(rows(Path("run"))) >= 3
    capsys.readouterr()
    assert in_this_process("resume", "run", "--devices", 1) == 0
    assert "resuming at generation 2 of 6" in capsys.readouterr().out
    assert (Path("run") / "metrics.jsonl").read_bytes() == Path("whole", "metrics.jsonl").read_bytes()


@pytest.mark.slow
def test_job_stops_and_goes_on_as_one(in_this_process):
    assert in_this_process("train", "tiny", *FLAGS, "--run", "whole") == 0
    # Only process 1 is told to stop.
    ended, _ = run_job("train", "tiny", *FLAGS, "--run", "run", actions=("", "ask to stop"))
    assert [status for status, _, _ in ended] == [130, 130]
    assert [errors for _, _, errors in ended] == [
        "groove: stopped after generation 4, go on with: groove resume run\n",
        "",
    ]
    # Process 1 has no run folder: it gets config and checkpoint from process 0.
    ended, _ = run_job("resume", "run", actions=("", ""))
    assert [(status, errors) for status, _, errors in ended] == [(0, ""), (0, "")]
    assert (Path("run") / "metrics.jsonl").read_bytes() == Path("whole", "metrics.jsonl").read_bytes()


ON_DEVICES = """
import json, sys
from groove.devices import configure

configure(4)

import jax
from groove.building import build_training
from groove.config import TrainConfig
from groove.devices import lives_mesh, replicated
from groove.heldout import HELDOUT_STREAM, Evaluation, draw_level_set

config = TrainConfig.from_json(json.loads(sys.argv[1]))
for num_devices in (1, 2, 4):
    mesh = lives_mesh(num_devices)
    training = build_training(config, mesh)
    key, state = replicated(mesh, (jax.random.key(0), jax.jit(training.init)(jax.random.key(1))))
    advance, rows = jax.jit(training.generation), []
    for _ in range(config.generations):
        state, metrics = advance(key, state)
        rows.append({name: float(value) for name, value in metrics.items()})
    heldout = draw_level_set(training.generator, HELDOUT_STREAM, config.heldout_levels)
    returns = Evaluation(training.population).returns(training.search.mean(state.search), heldout, training.hyper)
    print(json.dumps([rows, returns.tolist()]))
"""
"""Generations and held-out returns of a config on 1, 2 and 4 CPU devices, a line each."""


def test_number_of_devices_changes_no_fitness_and_no_heldout_return():
    # Two chunks of two lives on each of four devices.
    config = dataclasses.replace(SMALLEST, population=16, heldout_levels=16, chunk=2, generations=3)
    command = [sys.executable, "-c", ON_DEVICES, json.dumps(config.to_json())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, env=as_shipped())
    assert ended.returncode == 0, ended.stderr
    one, *others = map(json.loads, ended.stdout.splitlines())
    for row in (row for rows, _ in (one, *others) for row in rows):
        # Updates beyond the end of a life: a chunk is as long as its longest.
        del row["updates_run"]
    assert len(others) == 2 and any(one[1])
    for rows, returns in others:
        assert returns == one[1]
        assert rows == [pytest.approx(row, abs=1e-5, nan_ok=True) for row in one[0]]


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (
            ["train tiny --run run --seed 1", "train tiny --run run --seed 2"],
            "--seed must be the same in all processes",
        ),
        (["train tiny --run run", "resume run"], "groove resume in process 1 of a job, groove train in process 0"),
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
        # Whoever is the first to notice ends, and may be missed by the other before it notices, too.
        assert (status, reason in errors) == (2, True) or (status, lost in errors) == (1, True)
        assert errors.startswith("groove: ") and errors.count("\n") == 1 and not Path("run").exists()
