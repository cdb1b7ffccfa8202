"""Whole runs: the command as a user starts it, killed at any moment, interrupted, refused, out of disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from groove.building import build_training
from groove.config import TrainConfig
from groove.job.devices import lives_mesh
from groove.records.json_lines import JsonLines
from groove.records.run_folder import RunFolder
from groove.run.train import Run
from groove.scoring.closing_table import CLOSING_SEEDS, returns_of
from groove.scoring.heldout import HELDOUT_STREAM, VALIDATION_STREAM, Evaluation, draw_level_set
from lpg.saved_rules import load_rule
from tests.full_disk import full_disk
from tests.job_processes import FLAGS as CHAIN_FLAGS
from tests.smallest_run import SMALLEST, StubPopulation, metrics, stub_populations

REPRODUCED = ("metrics.jsonl", "rule.safetensors", "results.json")
FLAGS = """
    --population 4 --workers 2 --hidden-size 4 --rollout-length 10 --lifetime 3 6 --generations 6
    --heldout-levels 4 --validation-every 2 --checkpoint-every 2 --tune-configurations 1 --devices 2
""".split()  # noqa: SIM905

ON_CHAINS = [*CHAIN_FLAGS, "--devices", "2"]
"""The smallest run, which has no exact solver to compile."""

KILLED = """
import os, signal, sys
from groove.commands.main import main
from groove.records.json_lines import JsonLines
from tests.job_processes import stub_lives

name, number = sys.argv[1].split(":")
countdown = int(number)
append, replace = JsonLines.append, os.replace

def killed_in_append(log, row):
    if log.path.name == name and row["generation"] == countdown:
        with log.path.open("ab") as file:
            file.write(b'{"generation":')
        os.kill(os.getpid(), signal.SIGKILL)
    append(log, row)

def killed_in_replace(source, target):
    global countdown
    if os.path.basename(target) == name and name != "metrics.jsonl":
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

stub_lives()
JsonLines.append, os.replace = killed_in_append, killed_in_replace
sys.exit(main(sys.argv[2:]))
"""
"""A command that dies by kill -9 while it writes the row of a generation, or before it puts a file in place.

Its agents' lives cost nothing. Its first argument is metrics.jsonl:GENERATION, or the file's name and the number of the
write: NAME:NUMBER.
"""


def groove(*arguments, moment=None):
    """Run a command in a separate process."""
    start = ["-m", "groove"] if moment is None else ["-c", KILLED, moment]
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def assert_same_run(path, other):
    for name in REPRODUCED:
        assert (path / name).read_bytes() == (other / name).read_bytes(), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the folder and output of a run with real agents, started as a user would."""
    path = tmp_path_factory.mktemp("runs") / "undisturbed"
    ended = groove("train", "tiny", *FLAGS, "--run", path)
    assert ended.returncode == 0, ended.stderr
    return path, ended.stdout


def test_run_leaves_all_that_it_promises(undisturbed):
    path, output = undisturbed
    rows = metrics(path)
    assert [row["generation"] for row in rows] == list(range(6))
    assert [row["generation"] for row in rows if "validation_score" in row] == [1, 3, 5]
    assert rows[-1]["env_steps"] == sum(row["updates_lived"] for row in rows) * 2 * 10
    assert all(np.isfinite(row["fitness_mean"]) and row["failed_candidates"] == 0 for row in rows)
    assert len((path / "timing.jsonl").read_text().splitlines()) == 6
    assert len(list((path / "checkpoints").iterdir())) == 3 and len(list((path / "events").iterdir())) == 1
    config = json.loads((path / "config.json").read_text())
    assert config["config"]["population"] == 4 and config["versions"]["jax"] == jax.__version__
    names = [row["name"] for row in json.loads((path / "results.json").read_text())]
    assert names == ["random policy", "untrained rule", "trained rule", "A2C (default)", "A2C (tuned)", "optimum"]
    assert f"run: {path}" in output and all(name in output for name in names)


def test_saved_rule_is_trained_and_scores_what_the_log_says(undisturbed):
    # Trap: a training loop that returns its initial state.
    path, _ = undisturbed
    rule, weights, provenance = load_rule(path / "rule.safetensors")
    config = TrainConfig.from_json(provenance["config"])
    initial = Run(config, Console(quiet=True))
    initial = initial.training.search.mean(initial.initial_state().search)
    moved = jax.tree.map(lambda x, y: float(np.max(np.abs(x - y))), weights, initial)
    assert min(jax.tree.leaves(moved)) > 0.01

    training = build_training(config, lives_mesh(config.run.devices))
    assert training.population.learner.rule == rule
    heldout, validation = (
        draw_level_set(training.generator, stream, config.run.heldout_levels)
        for stream in (HELDOUT_STREAM, VALIDATION_STREAM)
    )
    evaluation = Evaluation(training.population)

    def score(params, num_seeds, levels=heldout):
        lived = returns_of(evaluation, params, levels, training.hyper, num_seeds)
        return float(np.mean(levels.normalised(lived.returns)))

    results = {row["name"]: row["mean"] for row in json.loads((path / "results.json").read_text())}
    scores = [score(params, CLOSING_SEEDS) for params in (weights, initial)]
    assert scores == pytest.approx([results["trained rule"], results["untrained rule"]], abs=1e-5)
    assert score(weights, 1, validation) == pytest.approx(metrics(path)[-1]["validation_score"], abs=1e-5)
    assert abs(scores[0] - scores[1]) > 1e-3


def test_run_killed_at_several_moments_ends_as_if_it_never_was(in_this_process, capsys):
    assert in_this_process("train", "tiny", *ON_CHAINS, "--run", "whole") == 0
    path = Path("killed")
    ended = groove("train", "tiny", *ON_CHAINS, "--run", path, moment="metrics.jsonl:1")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (path / "checkpoints").exists() and (path / "metrics.jsonl").read_bytes().endswith(b'{"generation":')
    # Metrics are written during the run, not at its end.
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") == 1

    # If the last checkpoint came before the rule, the rule would never be written.
    ended = groove("resume", path, moment="rule.safetensors:3")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert "no checkpoint yet: starting from the first generation" in ended.stdout
    assert len(metrics(path)) == 6 and any(file.name.endswith(".tmp") for file in path.iterdir())

    ended = groove("resume", path, moment="results.json:1")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert "resuming at generation 4 of 6" in ended.stdout
    assert len(metrics(path)) == 6 and not (path / "results.json").exists()

    capsys.readouterr()
    assert in_this_process("resume", path) == 0
    assert "resuming at generation 6 of 6" in capsys.readouterr().out
    assert_same_run(path, Path("whole"))


@pytest.fixture
def stubbed(in_this_process, monkeypatch):
    """`train` and `resume` of the smallest run in this process; called with arguments, give the exit status."""
    monkeypatch.setattr("groove.commands.train.EXPERIMENTS", {"tiny": SMALLEST})
    return in_this_process


def at_row(monkeypatch, generation, action):
    """Call a function when the row of a generation has been written."""
    append = JsonLines.append

    def append_and_act(log, row):
        append(log, row)
        if log.path.name == "timing.jsonl" and row["generation"] == generation:
            action()

    monkeypatch.setattr(JsonLines, "append", append_and_act)


def test_interrupted_run_saves_its_state_and_says_how_to_go_on(stubbed, monkeypatch, capsys):
    assert stubbed("train", "tiny", "--run", "whole") == 0
    for number, stop in enumerate((signal.SIGINT, signal.SIGTERM)):
        path = Path(f"stopped-{number}")
        with monkeypatch.context() as patch:
            at_row(patch, 2, lambda stop=stop: os.kill(os.getpid(), stop))
            assert stubbed("train", "tiny", "--run", path) == 130
        errors = capsys.readouterr().err
        assert errors == f"groove: stopped after generation 2; continue with: groove resume {path}\n"
        assert len(metrics(path)) == 3 and (path / "checkpoints" / "generation_00000003.safetensors").is_file()
    assert stubbed("resume", path) == 0
    assert_same_run(path, Path("whole"))
    # Resuming a finished run only scores it again.
    assert stubbed("resume", path) == 0
    assert_same_run(path, Path("whole"))
    assert "versions have changed" not in capsys.readouterr().out
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"versions": config["versions"] | {"jax": "0.0"}}))
    assert stubbed("resume", path) == 0
    assert "note: versions have changed since the run began: jax 0.0 → " in capsys.readouterr().out


def test_second_interrupt_takes_effect_at_once(stubbed, monkeypatch, capsys):
    def interrupt_twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_row(monkeypatch, 2, interrupt_twice)
    # A background job of a shell ignores interrupts from the start.
    before = signal.getsignal(signal.SIGINT)
    assert stubbed("train", "tiny", "--run", "run") == 130
    assert capsys.readouterr().err == "groove: interrupted\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_run_goes_back_past_corrupt_checkpoints_and_says_so(stubbed, capsys):
    assert stubbed("train", "tiny", "--run", "whole") == 0
    for name, damage in {"cut": lambda whole: whole[:-9], "foreign": lambda whole: b"PK\3\4" + whole}.items():
        shutil.copytree("whole", name)
        newest = Path(name, "checkpoints", "generation_00000006.safetensors")
        newest.write_bytes(damage(newest.read_bytes()))
        capsys.readouterr()
        assert stubbed("resume", name) == 0
        output = capsys.readouterr().out
        assert f"skipped {newest}: truncated, or not a groove checkpoint" in output
        assert "resuming at generation 4 of 6" in output
        assert_same_run(Path(name), Path("whole"))
    for checkpoint in Path("cut", "checkpoints").iterdir():
        checkpoint.write_bytes(b"")
    assert stubbed("resume", "cut") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("groove: cut/checkpoints: no checkpoint can be used: ") and errors.count("\n") == 1


def test_second_process_on_a_run_is_refused(stubbed, capsys):
    with RunFolder.create("run") as folder:
        folder.write_config({"config": SMALLEST.to_json()})
        for arguments in (("resume", "run"), ("train", "tiny", "--run", "run")):
            assert stubbed(*arguments) == 2
            assert capsys.readouterr().err == f"groove: run: in use by process {os.getpid()}\n"


class FailingPopulation(StubPopulation):
    """No life has a finite return."""

    def live(self, meta_params, lives):
        outcomes = super().live(meta_params, lives)
        return outcomes.replace(returns=jnp.full_like(outcomes.returns, jnp.nan))


def test_run_without_a_finite_fitness_stops_with_its_state_saved(stubbed, monkeypatch, capsys):
    stub_populations(monkeypatch, FailingPopulation)
    assert stubbed("train", "tiny", "--run", "run") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("groove: generation 0: no candidate had a finite fitness; a smaller --sigma or ")
    assert errors.endswith("the state is saved in run/checkpoints\n") and errors.count("\n") == 1
    (row,) = metrics(Path("run"))
    assert row["failed_candidates"] == 4 and row["fitness_mean"] is None
    assert Path("run/checkpoints/generation_00000001.safetensors").is_file()


def test_run_on_a_full_disk_keeps_its_last_checkpoint_and_goes_on_later(stubbed, monkeypatch, capsys):
    assert stubbed("train", "tiny", "--run", "whole") == 0
    with monkeypatch.context() as patch:
        at_row(patch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert stubbed("train", "tiny", "--run", "run") == 130
    kept = sorted(file.name for file in Path("run/checkpoints").iterdir())
    largest = (Path("run/checkpoints") / kept[-1]).stat().st_size - 1
    for free_bytes, reason in ((500, "run/metrics.jsonl"), (largest, "checkpoint not saved")):
        capsys.readouterr()
        with full_disk(free_bytes):
            assert stubbed("resume", "run") == 1
        errors = capsys.readouterr().err
        assert errors.startswith(f"groove: {reason}: ") and errors.count("\n") == 1, errors
        assert errors.endswith("cannot be written: File too large; earlier checkpoints are intact\n")
        assert sorted(file.name for file in Path("run/checkpoints").iterdir()) == kept
    assert stubbed("resume", "run") == 0
    assert_same_run(Path("run"), Path("whole"))


def test_run_that_cannot_be_made_is_refused(stubbed, capsys):
    Path("file").write_text("")
    assert stubbed("train", "tiny", "--run", "file/run") == 2
    assert capsys.readouterr().err == "groove: file/run: cannot be made: Not a directory\n"


def test_results_without_a_standard_error_are_json(stubbed):
    assert stubbed("train", "tiny", "--run", "run", "--heldout-levels", 1) == 0
    text = Path("run/results.json").read_text()
    assert "NaN" not in text and json.loads(text)[0]["standard_error"] is None


def test_seeds_differ_in_training_and_read_the_same_heldout_levels_after_it(stubbed, monkeypatch):
    draw, drawn = draw_level_set, []

    def recorded(generator, stream, num_levels):
        past = sum(len(path.read_text().splitlines()) for path in Path().glob("seed-*/metrics.jsonl"))
        drawn.append((stream, past, draw(generator, stream, num_levels)))
        return drawn[-1][-1]

    monkeypatch.setattr("groove.run.run_parts.draw_level_set", recorded)
    for seed in (0, 1):
        flags = [*FLAGS, "--seed", seed, "--generations", 1, "--validation-every", 1]
        assert stubbed("train", "tiny", "--run", f"seed-{seed}", *flags) == 0
    first, second = (metrics(Path(f"seed-{seed}")) for seed in (0, 1))
    assert first[0]["fitness_mean"] != second[0]["fitness_mean"]
    # Whoever looks at the curve, or stops by it, has seen nothing of the closing table's levels.
    assert "validation_score" in first[0] and "heldout_score" not in first[0]
    past = [(stream, generations) for stream, generations, _ in drawn]
    assert past == [(VALIDATION_STREAM, 0), (HELDOUT_STREAM, 1), (VALIDATION_STREAM, 1), (HELDOUT_STREAM, 2)]
    for level_set, same in ((0, 2), (1, 3)):
        jax.tree.map(np.testing.assert_array_equal, drawn[level_set][2].levels, drawn[same][2].levels)


@pytest.mark.parametrize("levels", ["tabular_sparse", "random_small", "chain_distractor"])
def test_world_runs_a_generation(levels):
    config = SMALLEST.replaced(levels=levels, rollout_length=20)
    training = build_training(config, lives_mesh(2))
    after, row = jax.jit(training.generation)(jax.random.key(0), jax.jit(training.init)(jax.random.key(0)))
    assert row["failed_candidates"] == 0 and 8 <= row["updates_lived"] <= row["updates_run"] <= 12
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(training.search.mean(after.search)))


def test_finished_run_goes_on_to_more_generations_as_if_it_was_asked_for_them(stubbed, capsys):
    few = ["train", "tiny", *FLAGS, "--generations", "4"]
    assert stubbed(*few, "--run", "extended") == stubbed("train", "tiny", *FLAGS, "--run", "whole") == 0
    assert stubbed("resume", "extended", "--generations", "3") == 2
    assert "--generations must be >= 4, the generations that are done, got 3" in capsys.readouterr().err
    assert stubbed("resume", "extended", "--generations", "6") == 0
    assert_same_run(Path("extended"), Path("whole"))
    assert json.loads(Path("extended/config.json").read_text())["config"]["generations"] == 6
    assert stubbed("resume", "extended") == 0


def test_search_starts_at_a_given_rule_also_after_a_stop(stubbed, monkeypatch, capsys):
    assert stubbed("train", "tiny", *FLAGS, "--run", "first") == 0
    start = ["train", "tiny", *FLAGS, "--seed", "1", "--from", "first/rule.safetensors"]
    assert stubbed(*start, "--run", "whole") == 0
    rows = {row["name"]: row["mean_return"] for row in json.loads(Path("whole/results.json").read_text())}
    first = {row["name"]: row["mean_return"] for row in json.loads(Path("first/results.json").read_text())}
    assert rows["starting rule"] == pytest.approx(first["trained rule"], abs=1e-6) and "untrained rule" not in rows
    assert load_rule("whole/rule.safetensors")[2]["start_sha256"]
    with monkeypatch.context() as patch:
        at_row(patch, 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert stubbed(*start, "--run", "stopped") == 130
    assert stubbed("resume", "stopped") == 0
    assert_same_run(Path("stopped"), Path("whole"))


def test_rule_of_another_shape_is_no_start(stubbed, capsys):
    assert stubbed("train", "tiny", *FLAGS, "--from", "laptop", "--run", "run") == 2
    line = "--from laptop: its rule is lpg gru 32, Y = 8, but the run's is lpg gru 4, Y = 2"
    assert line in capsys.readouterr().err and not Path("run").exists()
    assert stubbed("train", "tiny", *FLAGS, "--from", "absent", "--run", "run") == 2
    assert "no rule file 'absent'" in capsys.readouterr().err
