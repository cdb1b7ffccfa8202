"""The command line: quick help, and one line with exit status 2 for every mistake."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import save_file

from groove.commands.main import COMMANDS, main
from groove.config import EXPERIMENTS
from groove.records.group_folder import GroupFolder
from levels.extras import DISTRIBUTION
from levels.registry import GENERATORS
from lpg.rule_file import write_rule
from tests.smallest_run import settle_devices

STARTS_WITHOUT_JAX = """
import sys
from groove.commands.main import main

def status(arguments):
    try:
        return main(arguments.split())
    except SystemExit as end:
        return end.code or 0

assert status("--help") == status("train --help") == status("train tiny --help") == status("resume --help") == 0
assert status("levels") == status("levels --help") == status("levels sample --help") == status("rules --help") == 0
assert status("completion") == status("completion --help") == status("curriculum --help") == 0
assert status("curriculum") == status("curriculum absent") == 2
assert status("train huge") == status("train tiny --popluation 4") == status("train tiny --population x") == 2
sys.exit(3 if "jax" in sys.modules else 0)
"""


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Each command runs in an empty folder, on the devices that there are."""
    settle_devices(monkeypatch)
    monkeypatch.chdir(tmp_path)


def refused(capsys, *arguments):
    """The one line of a mistake."""
    assert main([str(argument) for argument in arguments]) == 2
    output, errors = capsys.readouterr()
    assert errors.startswith("groove: ") and errors.count("\n") == 1 and errors.endswith("\n")
    return output + errors.removeprefix("groove: ").rstrip("\n")


def names_all(line, names):
    return all(name in line for name in names)


def test_version_is_that_of_the_installed_distribution(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"groove {version(DISTRIBUTION)}\n"


def test_help_and_mistakes_need_no_jax():
    # In a process of its own, where no other test has imported it.
    ended = subprocess.run([sys.executable, "-c", STARTS_WITHOUT_JAX], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert names_all(ended.stdout, [*COMMANDS, *EXPERIMENTS, *GENERATORS, "--population", "--es-learning-rate"])


def test_no_command_shows_the_commands(capsys):
    assert main([]) == 2 and main(["--help"]) == 0
    assert capsys.readouterr().out.count("usage: groove COMMAND") == 2


def test_unknown_command_is_told_with_the_known_ones(capsys):
    assert refused(capsys, "tain") == f"unknown command 'tain'; perhaps train; known: {', '.join(COMMANDS)}"


def test_unknown_experiment_is_told_with_the_known_ones(capsys):
    known = ", ".join(EXPERIMENTS)
    assert refused(capsys, "train", "huge") == f"unknown experiment 'huge'; known: {known}"
    assert refused(capsys, "train") == f"train: name an experiment first; known: {known}"
    assert refused(capsys, "train", "--seed", 1) == f"train: name an experiment first; known: {known}"


@pytest.mark.parametrize("flag", ["--popluation", "--popluation=4", "--popluation_"])
def test_unknown_flag_is_told_with_the_nearest_one(capsys, flag):
    given = flag.partition("=")[0].replace("_", "-")
    line = refused(capsys, "train", "tiny", flag, 4)
    assert line == f"unknown flag {given}; perhaps --population (see groove train tiny --help)"


@pytest.mark.parametrize("flag", ["-p", "--xyz"])
def test_unknown_flag_that_is_near_to_none_is_told_with_the_known_ones(capsys, flag):
    line = refused(capsys, "train", "tiny", flag, 4)
    assert line.startswith(f"unknown flag {flag}; known: --levels --solvable ")
    assert names_all(line, ["--population", "--sigma", "--run", "--chunk"])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--population x", ["--population must be an integer, got 'x' (see"]),
        ("--population=x", ["--population must be an integer, got 'x' (see"]),
        ("--population 2.5", ["--population must be an integer, got '2.5' (see"]),
        ("--population", ["--population needs an integer (see"]),
        ("--seed --population 4", ["--seed needs an integer (see"]),
        ("--run", ["--run needs a path (see"]),
        ("--es", ["--es needs a value (see"]),
        ("--rule", ["--rule needs a value (see"]),
        ("--population 5", ["population must be even and >= 2, got 5"]),
        ("--sigma small", ["--sigma must be a number, got 'small' (see"]),
        ("--agent-learning-rate fast", ["--agent-learning-rate must be a number, got 'fast' (see"]),
        ("--sigma -1", ["sigma must be > 0 and finite, got -1.0"]),
        ("--sigma nan", ["--sigma must be > 0 and finite, got nan (see"]),
        ("--lifetime", ["--lifetime needs two integers (see"]),
        ("--lifetime 9", ["--lifetime must be two integers, got '9' (see"]),
        ("--lifetime 9 x --seed 1", ["--lifetime must be two integers, got '9 x' (see"]),
        ("--lifetime 9 3", ["--lifetime must be two numbers 1 <= LOW <= HIGH", "got 9 3"]),
        ("--seeds 1 x", ["--seeds must be integers, got '1 x' (see"]),
        ("--rule ppo", ["--rule must be one of lpg, ta-lpg", "got 'ppo'"]),
        ("--cell rnn", ["--cell must be one of gru, lstm, got 'rnn' (see"]),
        ("--antagonist pp0", ["--antagonist must be one of a2c, ppo, random, expert, got 'pp0'; perhaps ppo (see"]),
        ("--precision half", ["--precision must be one of float32, tf32, bfloat16, got 'half' (see"]),
        ("--generations 0", ["--generations must be >= 1, got 0"]),
        ("--prediction-size 1", ["--prediction-size must be >= 2, got 1"]),
        ("--devices 64", ["--devices must be at most", "got 64"]),
        ("--levels mars", ["unknown level distribution 'mars'", *GENERATORS]),
        ("--es OpenES", ["unknown evolution strategy 'OpenES'; perhaps Open_ES; known: ", "SNES"]),
        ("--levels chain_short --solvable", ["--solvable", "chain_short"]),
        ("--from lapto", ["no rule file 'lapto'; perhaps laptop; shipped rules: laptop"]),
        ("stray", ["unexpected argument 'stray': train tiny takes only flags (see groove train tiny --help)"]),
        ("--solvable yes", ["unexpected argument 'yes': train tiny takes only flags (see"]),
    ],
)
def test_wrong_value_is_told_with_its_flag(capsys, tmp_path, arguments, parts):
    line = refused(capsys, "train", "tiny", *arguments.split())
    assert names_all(line, parts), line
    assert list(tmp_path.iterdir()) == []


def test_run_folder_with_content_is_refused(capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("")
    assert refused(capsys, "train", "tiny", "--run", "mine").startswith("mine: exists and is not empty")


def config_of(fields):
    return json.dumps({"config": EXPERIMENTS["tiny"].to_json() | fields})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"config": ', "config.json: not JSON"),
        ("{}", "config.json: config must be a JSON object, got NoneType"),
        (config_of({"workers": "x"}), "config.json: config: workers must be int, got 'x'"),
        (config_of({"workers": -4}), "config.json: --workers must be >= 1, got -4"),
        (config_of({"es": "OpenES"}), "unknown evolution strategy 'OpenES'; perhaps Open_ES; known: "),
    ],
)
def test_resume_names_what_is_wrong_with_the_config(capsys, tmp_path, text, reason):
    (tmp_path / "config.json").write_text(text)
    assert reason in refused(capsys, "resume", tmp_path)


def test_resume_needs_a_run(capsys, tmp_path):
    assert refused(capsys, "resume").startswith("resume needs RUN: folder of the run")
    assert refused(capsys, "resume", "one", "two").startswith(
        "unexpected argument 'two': resume takes only RUN and flags (see"
    )
    assert refused(capsys, "resume", "absent") == "absent: no such folder"
    assert refused(capsys, "resume", tmp_path).endswith("not a run folder, it has no config.json")
    assert refused(capsys, "resume", tmp_path, "--seed", 1).startswith(
        "unknown flag --seed; known: --generations --devices --distributed "
    )


@pytest.fixture
def rule_path(tmp_path):
    fields = {"prediction_size": 2, "hidden_size": 2, "embedding_size": 2, "cell": "gru", "lifetime_inputs": False}
    weights = {"weight": np.zeros(3, np.float32)}
    write_rule(tmp_path / "rule.safetensors", fields, weights, {"config": {"levels": "small"}, "generations": 150})
    return tmp_path / "rule.safetensors"


def test_rules_lists_rules_and_files(capsys, rule_path):
    assert main(["rules"]) == 0
    assert names_all(capsys.readouterr().out, ["lpg ", "ta-lpg ", "a2c ", "reinforce ", "laptop "])
    assert main(["rules", rule_path.name]) == 0
    assert names_all(capsys.readouterr().out, ["rule.safetensors", "lpg gru 2, Y = 2", "small", "150"])


def test_rules_lists_the_files_of_a_group_and_of_a_run(capsys, tmp_path, rule_path):
    with GroupFolder.create("group") as group:
        group.write_config({"seeds": [0, 1], "config": EXPERIMENTS["tiny"].to_json()})
    for seed in (0, 1):
        group.run(seed).path.mkdir()
        shutil.copy(rule_path, group.run(seed).path)
    assert main(["rules", "group", "./group/seed-1", "."]) == 0
    files = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if "small" in line]
    assert files == ["group/seed-0", "group/seed-1", "./group/seed-1", "."]
    (tmp_path / "empty").mkdir()
    assert refused(capsys, "rules", "empty").startswith("no rule file 'empty'")


def test_rules_names_the_file_that_is_none(capsys, rule_path):
    assert refused(capsys, "rules", "absent") == "no rule file 'absent'; shipped rules: laptop"
    whole = rule_path.read_bytes()
    rule_path.write_bytes(whole[:100])
    assert refused(capsys, "rules", rule_path).startswith(f"{rule_path}: truncated, or not a groove rule")
    save_file({"weight": np.zeros(3)}, rule_path)
    assert refused(capsys, "rules", rule_path) == f"{rule_path}: a safetensors file, but not a groove rule"


def test_levels_are_sampled_shown_and_solved(capsys, tmp_path):
    sampled = ["levels", "sample", "maze_four_rooms", "-n", "2", "--seed", "3", "--out", "drawn"]
    paths = ["drawn/maze_four_rooms-3-0.toml", "drawn/maze_four_rooms-3-1.toml"]
    assert main(sampled) == 0 and capsys.readouterr().out.split() == paths
    first, second = ((tmp_path / path).read_text() for path in paths)
    assert first != second and main(sampled) == 0 and (tmp_path / paths[0]).read_text() == first
    capsys.readouterr()
    assert main(["levels", "show", *paths]) == 0
    output = capsys.readouterr().out
    assert names_all(output, [*paths, "S", "#"]) and output.count("type 0") == 2
    assert main(["levels", "show", *paths, "--png", "levels.png"]) == 0
    height, width = imread(tmp_path / "levels.png").shape[:2]
    assert width >= 500 and height >= 300
    capsys.readouterr()
    assert main(["levels", "solve", paths[0]]) == 0
    optimum, random, name = capsys.readouterr().out.splitlines()[1].split()
    assert float(optimum) > float(random) and name == paths[0]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("levels draw", ["unknown levels action 'draw'; known: sample, show, solve"]),
        ("levels sample", ["levels sample needs DISTRIBUTION: where the levels come from (see groove levels sample"]),
        ("levels sample mars", ["unknown level distribution 'mars'", *GENERATORS]),
        ("levels sample chain_short", ["chain_short: its levels are not grid levels"]),
        ("levels sample small --count x", ["--count", "'x'"]),
        ("levels sample small --count 0", ["--count must be >= 1, got 0"]),
        ("levels sample small --seed -1", ["--seed must be in 0..4294967295, got -1"]),
        ("levels sample small --seed 99999999999999999999", ["--seed must be in"]),
        ("levels sample maze_spiral --out full.toml", ["full.toml", "File exists"]),
        ("levels sample small --colour red", ["unknown flag --colour; perhaps --count (see groove levels sample"]),
        ("levels show", ["name a level file or a distribution", "small"]),
        ("levels show absent.toml", ["absent.toml: no such level file or distribution; distributions: small, "]),
        ("levels show ful.toml", ["ful.toml: no such level file or distribution; perhaps full.toml; "]),
        ("levels solve smal", ["smal: no such level file or distribution; perhaps small; distributions: "]),
        ("levels show full.toml", ["full.toml", "must be TOML"]),
        ("levels show cut.toml", ["cut.toml: map", "is missing"]),
        ("levels show maze_spiral --png absent/x.png", ["absent/x.png"]),
        ("levels solve random_small", ["random_small has no exact solver"]),
        ("levels solve chain_short", ["chain_short: its levels are not grid levels"]),
    ],
)
def test_levels_names_the_mistake(capsys, tmp_path, arguments, parts):
    (tmp_path / "full.toml").write_text("this is no level file")
    (tmp_path / "cut.toml").write_text("max_steps = 5\n")
    line = refused(capsys, *arguments.split())
    assert names_all(line, parts), line
