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
from tests.documents import code_blocks
from tests.groove.transfer import tiny
from tests.smallest_run import SMALLEST, metrics

(SHOWN,) = code_blocks("docs/own-parts.md", "python")
MINE = (
    SHOWN
    + """
import gymnax  # starts JAX's backend, as users' files do

class Bare(ScaledActorCritic):
    def init(self, key):
        return ()

    def targets(self, meta_params, *rest):
        return super().targets({"log_scale": 0.0, "offset": 0.0}, *rest)

class Broken(ScaledActorCritic):
    def targets(self, meta_params, state, outputs, next_outputs, rollout, progress):
        return rollout.rewards

def total(outcome):
    return jnp.sum(outcome.agent_return)

tiny_catch = {"catch": Catch(rows=4, columns=3)}
NUM_STEPS = 200
"""
)
"""The file that docs/own-parts.md shows, with more in it."""
START = ("--from", "run/rule.safetensors")
FLAGS = ("--generations", "2", "--run", "run")


@pytest.fixture
def mine(in_this_process, tmp_path, monkeypatch):
    """Commands beside a user's mine.py; `train tiny` is the smallest run."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.setattr("groove.commands.train.EXPERIMENTS", {"tiny": SMALLEST.replaced(buffer=4)})
    monkeypatch.setitem(SUITES, "catch", Suite("Catch", lambda suite: [tiny.catch(suite=suite)]))
    for command in (groove.commands.measure, groove.commands.tune):
        monkeypatch.setattr(command, "configure", lambda num_devices: None)
    monkeypatch.setattr(groove.commands.curriculum, "configure_host", lambda: None)
    monkeypatch.setenv("COLUMNS", "400")  # so that no name in a table is folded
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
    assert mine("train", "tiny", "--levels", "mine.py:Rooms", "--curriculum", "plr", *FLAGS) == 0
    check_run(mine, "levels", "mine.py:Rooms")
    assert mine("curriculum", "run") == 0
    assert mine("levels", "show", "mine.py:Rooms") == 0
    assert capsys.readouterr().out.count("#") > 20
    assert mine("levels", "solve", "mine.py:Rooms") == 0


def test_rule(mine, capsys):
    assert mine("train", "tiny", "--rule", "mine.py:ScaledActorCritic", *FLAGS) == 0
    check_run(mine, "rule", "mine.py:ScaledActorCritic")
    assert "mine.py:ScaledActorCritic" in capsys.readouterr().out
    assert mine("train", "tiny", "--rule", "mine.py:ScaledActorCritic", *FLAGS[:-1], "again", *START) == 0
    assert mine("train", "tiny", *FLAGS[:-1], "other", *START) == 2
    assert "mine.py:ScaledActorCritic, but the run's is lpg gru 8, Y = 2" in capsys.readouterr().err


def test_rule_without_meta_parameters(mine, capsys):
    assert evaluate(mine, "mine.py:Bare") == 0
    assert mine("train", "tiny", "--rule", "mine.py:Bare", *FLAGS) == 2
    assert evaluate(mine, "mine.py:ScaledActorCritic", out="other") == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-2].endswith("mine.py:Bare has no meta-parameters, so there is nothing to meta-train")
    assert errors[-1].endswith("mine.py:ScaledActorCritic has meta-parameters: meta-train it and name its rule file")


def test_score(mine, capsys):
    assert mine("train", "tiny", "--curriculum", "plr", "--score", "mine.py:spread", *FLAGS) == 0
    check_run(mine, "score", "mine.py:spread")
    # The buffer's history has a snapshot for each checkpoint, also of those that are no longer there.
    assert [path.name[:19] for path in sorted(Path("run/history").iterdir())] == [
        "generation_00000002",
        "generation_00000003",
    ]
    assert mine("curriculum", "run") == 0
    assert "mine.py:spread" in capsys.readouterr().out


def test_group(mine):
    chosen = ("--curriculum", "plr", "--score", "mine.py:spread", *FLAGS, "--seeds", "0", "1")
    assert mine("train", "tiny", *chosen) == 0
    # The file has moved beside the one that records it.
    Path("mine.py").rename("run/mine.py")
    assert mine("resume", "run", "--generations", "3") == 0
    assert [len(metrics(Path(f"run/seed-{seed}"))) for seed in (0, 1)] == [3, 3]
    assert evaluate(mine, "run") == 0
    assert json.loads(Path("evaluated/summary.json").read_text())["catch"]["rules"]["run"]["meta_seeds"] == 2


def test_curriculum(mine, capsys):
    assert mine("train", "tiny", "--curriculum", "mine.py:replay_by_spread", *FLAGS) == 0
    check_run(mine, "curriculum", "mine.py:replay_by_spread")
    assert mine("curriculum", "run") == 0
    assert "mine.py:replay_by_spread by its own score, after generation 3" in capsys.readouterr().out
    assert (
        mine("train", "tiny", "--curriculum", "mine.py:replay_by_spread", "--score", "uniform", *FLAGS[:-1], "other")
        == 2
    )
    assert "--score and --level-folder have no effect on --curriculum" in capsys.readouterr().err


def test_suite(mine, capsys):
    assert evaluate(mine, "a2c", "mine.py:tiny_catch") == 0
    assert "tiny_catch" in capsys.readouterr().out
    assert evaluate(mine, "a2c", "mine.py:tiny_catch") == 0  # goes on where it was stopped
    Path("mine.py").write_text(MINE + "# changed\n")
    assert evaluate(mine, "a2c", "mine.py:tiny_catch") == 2
    assert "evaluated holds another experiment, with different suites" in capsys.readouterr().err
    Path("mine.py").write_text(MINE + "random = Bare()\n")
    assert evaluate(mine, "mine.py:random", out="other") == 2
    assert "mine.py:random: random is the name of a rule that is built in" in capsys.readouterr().err
    assert mine("tune", "a2c", "--suite", "mine.py:tiny_catch") == 2
    assert "tiny_catch has no validation environments to tune on" in capsys.readouterr().err


def test_later_commands_say_that_a_file_has_changed(mine, capsys):
    assert mine("train", "tiny", "--rule", "mine.py:ScaledActorCritic", *FLAGS) == 0
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
        (("--levels", "mine.py:Room"), "mine.py: defines no Room; perhaps Rooms"),
        (("--rule", "mine.py:spread"), "mine.py: spread, called to build an update rule, line "),
        (("--levels", "mine.py"), "mine.py is a file; name an object in it: mine.py:NAME"),
        (("--curriculum", "plr", "--score", "mine.py:Rooms"), "mine.py:Rooms must be a Score or a function"),
        (("--curriculum", "plr", "--score", "mine.py:total"), "mine.py:total must return scores [n]; for 2 levels it"),
        (("--rule", "mine.py:Broken"), "mine.py:Broken: an agent's first update fails: AttributeError: "),
        (("--from", "mine.py:Bare"), "names a rule without meta-parameters; name the rule file of its meta-training"),
        (("--rule", "absent.py:R"), "absent.py: cannot be read: No such file or directory"),
        (
            ("--curriculum", "mine.py:ScaledActorCritic"),
            "mine.py: ScaledActorCritic must be a curriculum, but it lacks num_measured",
        ),
        (("--curriculum", "plr", "--score", "mine.py:NUM_STEPS"), "mine.py:NUM_STEPS must be a Score or a function"),
        (
            ("--levels", "mine.py:ScaledActorCritic"),
            "ScaledActorCritic must be a level generator, but it lacks world",
        ),
    ],
)
def test_a_bad_plugin_ends_a_command_with_one_line(mine, capsys, flags, message):
    assert mine("train", "tiny", *flags, *FLAGS) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not Path("run").exists()
