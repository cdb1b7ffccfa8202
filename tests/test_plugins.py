"""A user's own parts, each kind from a file outside the repository: trained, resumed, shown, evaluated."""

import json
from pathlib import Path

import pytest

import groove.commands.curriculum
import groove.commands.measure
import groove.commands.tune
from groove.records.run_folder import RunFolder
from groove.transfer.suites import SUITES, Suite
from lpg.rule_file import read_rule_header
from tests.groove.transfer import tiny
from tests.smallest_run import SMALLEST, metrics

MINE = '''
import gymnax  # starts JAX's backend, as users' files do
import jax
import jax.numpy as jnp
from dataclasses import dataclass
from gymnax.environments.bsuite.catch import Catch

import levels
import lpg
import ued

@dataclass(frozen=True)
class Halls:
    world = levels.generator("maze_four_rooms").world

    def sample(self, key):
        return levels.WithLifetime(levels.generator("maze_four_rooms"), 2, 3).sample(key)

class Scaled:
    """An actor-critic whose advantages are scaled by what evolution finds."""

    prediction_size = 1
    costs = ("value_cost",)

    def init(self, key):
        return {"log_scale": jnp.zeros(2)}

    def targets(self, meta_params, outputs, next_prediction, rollout, progress):
        target = rollout.reward + 0.9 * jnp.where(rollout.terminated, 0.0, next_prediction[..., 0])
        return jnp.exp(meta_params["log_scale"][0]) * (target - outputs.prediction[..., 0]), target

    def loss(self, outputs, rollout, targets, hyper):
        advantage, target = targets
        log_prob = jnp.take_along_axis(jax.nn.log_softmax(outputs.logits), rollout.action[..., None], axis=-1)[..., 0]
        value_loss = jnp.mean((outputs.prediction[..., 0] - target) ** 2)
        return hyper.value_cost * value_loss - jnp.mean(log_prob * advantage), {}

class Bare(Scaled):
    """The same without meta-parameters."""

    def init(self, key):
        return ()

    def targets(self, meta_params, *rest):
        return super().targets({"log_scale": jnp.zeros(2)}, *rest)

def spread(outcome):
    return jnp.std(outcome.episode_returns, axis=1)

def Spread(settings):
    return ued.PrioritizedLevelReplay(ued.Score(spread, non_negative=True), settings)

own_suite = {"catch": Catch(rows=4, columns=3)}
NUM_STEPS = 200
'''
START = ("--from", "run/rule.safetensors")
FLAGS = ("--generations", "2", "--buffer", "4", "--run", "run")


@pytest.fixture
def mine(in_this_process, tmp_path, monkeypatch):
    """Commands beside a user's mine.py; `train tiny` is the smallest run."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.setattr("groove.commands.train.EXPERIMENTS", {"tiny": SMALLEST})
    monkeypatch.setitem(SUITES, "catch", Suite("Catch", lambda suite: [tiny.catch(suite=suite)]))
    for command in (groove.commands.measure, groove.commands.tune):
        monkeypatch.setattr(command, "configure", lambda num_devices: None)
    monkeypatch.setattr(groove.commands.curriculum, "configure_host", lambda: None)
    return in_this_process


def check_run(groove, field, name):
    """Check that a run recorded its plugin, and resume it, list its rule and let an agent live by it."""
    record = json.loads(Path("run/config.json").read_text())
    path, part = str(Path("mine.py").resolve()), name.rpartition(":")[2]
    assert record["config"][field] == f"{path}:{part}" and list(record["plugins"]) == [path]
    assert groove("resume", "run", "--generations", "3") == 0
    assert [row["generation"] for row in metrics(Path("run"))] == [0, 1, 2]
    assert read_rule_header(RunFolder(Path("run")).rule_path).provenance["plugins"] == record["plugins"]
    assert groove("rules", "run/rule.safetensors") == 0
    assert evaluate(groove, "run/rule.safetensors") == 0


def evaluate(groove, rule, suite="catch", out="evaluated"):
    return groove(
        "evaluate", rule, "--suite", suite, "--seeds", "1", "--points", "1", "--devices", "1", "--chunk", "1",
        "--workers", "4", "--rollout-length", "5", "--out", out,
    )  # fmt: skip


def test_levels(mine, capsys):
    assert mine("train", "tiny", "--levels", "mine.py:Halls", "--curriculum", "plr", *FLAGS) == 0
    check_run(mine, "levels", "mine.py:Halls")
    assert mine("curriculum", "run") == 0
    assert mine("levels", "show", "mine.py:Halls") == 0
    assert capsys.readouterr().out.count("#") > 20
    assert mine("levels", "solve", "mine.py:Halls") == 0


def test_rule(mine, capsys):
    assert mine("train", "tiny", "--rule", "mine.py:Scaled", *FLAGS) == 0
    check_run(mine, "rule", "mine.py:Scaled")
    assert "mine.py:Scaled" in "".join(capsys.readouterr().out.split())
    assert mine("train", "tiny", "--rule", "mine.py:Scaled", *FLAGS[:-1], "again", *START) == 0
    assert mine("train", "tiny", *FLAGS[:-1], "other", *START) == 2
    assert "mine.py:Scaled, but the run's is lpg gru 8, Y = 2" in capsys.readouterr().err


def test_rule_without_meta_parameters(mine, capsys):
    assert evaluate(mine, "mine.py:Bare") == 0
    assert mine("train", "tiny", "--rule", "mine.py:Bare", *FLAGS) == 2
    assert evaluate(mine, "mine.py:Scaled", out="other") == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-2].endswith("mine.py:Bare has no meta-parameters, so there is nothing to meta-train")
    assert errors[-1].endswith("mine.py:Scaled has meta-parameters: meta-train it and name its rule file")


def test_score(mine, capsys):
    assert mine("train", "tiny", "--curriculum", "plr", "--score", "mine.py:spread", *FLAGS) == 0
    check_run(mine, "score", "mine.py:spread")
    assert mine("curriculum", "run") == 0
    assert "mine.py:spread" in capsys.readouterr().out


def test_curriculum(mine, capsys):
    assert mine("train", "tiny", "--curriculum", "mine.py:Spread", *FLAGS) == 0
    check_run(mine, "curriculum", "mine.py:Spread")
    assert mine("curriculum", "run") == 0
    assert "mine.py:Spread by its own score, after generation 3" in capsys.readouterr().out
    assert mine("train", "tiny", "--curriculum", "mine.py:Spread", "--score", "uniform", *FLAGS[:-1], "other") == 2
    assert "--score and --level-folder have no effect on --curriculum" in capsys.readouterr().err


def test_suite(mine, capsys):
    assert evaluate(mine, "a2c", "mine.py:own_suite") == 0
    assert "own_suite" in capsys.readouterr().out
    assert evaluate(mine, "a2c", "mine.py:own_suite") == 0  # goes on where it was stopped
    Path("mine.py").write_text(MINE + "# changed\n")
    assert evaluate(mine, "a2c", "mine.py:own_suite") == 2
    assert "evaluated holds another experiment, with different suites" in capsys.readouterr().err
    assert mine("tune", "a2c", "--suite", "mine.py:own_suite") == 2
    assert "own_suite has no validation environments to tune on" in capsys.readouterr().err


def test_later_commands_say_that_a_file_has_changed(mine, capsys):
    assert mine("train", "tiny", "--rule", "mine.py:Scaled", *FLAGS) == 0
    Path("mine.py").write_text(MINE + "# changed\n")
    for command in (("rules", "run/rule.safetensors"), ("curriculum", "run"), ("resume", "run", "--generations", "3")):
        capsys.readouterr()
        mine(*command)
        assert capsys.readouterr().err.count("mine.py has changed since run/") == 1, command
    Path("mine.py").unlink()
    assert mine("resume", "run", "--generations", "4") == 2
    assert "config.json: needs " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--levels", "mine.py:Hall"), "mine.py: defines no Hall; perhaps Halls"),
        (("--rule", "mine.py:spread"), "mine.py: spread, line "),
        (("--rule", "absent.py:R"), "absent.py: cannot be read: No such file or directory"),
        (
            ("--curriculum", "mine.py:Scaled"),
            "mine.py: Scaled must be a curriculum, but it lacks num_measured",
        ),
        (("--curriculum", "plr", "--score", "mine.py:NUM_STEPS"), "mine.py:NUM_STEPS must be a Score or a function"),
        (("--levels", "mine.py:Scaled"), "mine.py: Scaled must be a level generator, but it lacks world, sample"),
    ],
)
def test_a_bad_plugin_ends_a_command_with_one_line(mine, capsys, flags, message):
    assert mine("train", "tiny", *flags, *FLAGS) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not Path("run").exists()
