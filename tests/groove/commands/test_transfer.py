"""`groove evaluate`, `benchmark` and `tune`: a line for every mistake, and all that they write."""

import csv
import json
from dataclasses import replace

import pytest

import groove.commands.measure
import groove.commands.tune
from groove.commands.main import main
from groove.transfer.configurations import Configuration
from groove.transfer.contestants import hand_written
from groove.transfer.experiment import Experiment
from groove.transfer.suites import SUITES, Suite
from groove.transfer.tuned_settings import add_tuned, read_tuned, search_of
from lpg.update_rule import Hyperparameters
from tests.groove.transfer import tiny

SHAPE = ["--workers", "4", "--rollout-length", "5"]
SMALL = ["--seeds", "2", "--points", "2", "--devices", "1", "--chunk", "4"]


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Each command runs in a folder with a rule, on the devices that there are."""
    for command in (groove.commands.measure, groove.commands.tune):
        monkeypatch.setattr(command, "configure", lambda num_devices: None)
    monkeypatch.chdir(tmp_path)
    tiny.save(tmp_path / "lpg.safetensors")


@pytest.fixture
def named(monkeypatch):
    """A suite by name, with a validation environment."""
    suite = Suite("tiny", lambda suite: [tiny.catch(suite=suite)], lambda suite: [tiny.catch("other", suite)])
    monkeypatch.setitem(SUITES, "tiny", suite)


def rows(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def refused(capsys, *arguments):
    """The one line of a mistake."""
    assert main([str(argument) for argument in arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("groove: ") and errors.count("\n") == 1
    return errors.removeprefix("groove: ").rstrip("\n")


@pytest.mark.parametrize("command", ["evaluate", "benchmark"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lpg.safetensors", "--suite", "atari"], "unknown suite 'atari'; perhaps minatar; known: grid-heldout, "),
        (["lpg.safetensors", "--siute", "classic"], "unknown flag --siute; perhaps --suite (see "),
        (["lpg.safetensors", "--seeds", "0"], "--seeds must be >= 1, got 0"),
        (["lpg.safetensors", "--seeds", "many"], "seeds"),
        (["lpg.safetensors", "--chunk", "0"], "--chunk must be >= 1, got 0"),
        (["lpg.safetensors", "--suite", "mazes@1"], "--suite mazes@1: this version of groove has mazes@2; results of "),
        (["lpg.safetensors", "--level-seed", "-1"], "--level-seed must be >= 0, got -1"),
        (
            ["lpg.safetensors", "--suite", "classic", "--level-seed", "1"],
            "--level-seed redraws levels, but classic@2 has none to draw",
        ),
        (["--suite", "classic"], "name a rule first: a shipped one (laptop"),
        (["absent.safetensors", "--suite", "classic"], "no rule file 'absent.safetensors'"),
        (["corrupt.safetensors", "--suite", "classic"], "corrupt.safetensors: "),
        (["lpg.safetensors", "--suite", "absent.py:own"], "absent.py: cannot be read: No such file"),
        (["lpg.safetensors", "--suite", "corrupt.py:own"], "corrupt.py: own, line 1: NameError: "),
        (["lpg.safetensors", "--suite", "gymnax:Pong"], "unknown gymnax environment 'Pong'; perhaps Pong-misc; "),
        (["lpg.safetensors", "--suite", "gymnax:Pendulum-v1", "--out", "out"], "has continuous actions, but lpg reads"),
        (["lpg.safetensors", "--suite", "classic", "--out", "lpg.safetensors"], "lpg.safetensors"),
        (["lpg.safetensors", "--suite", "classic", "--out", "foreign"], "foreign/config.json: corrupt: "),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(capsys, tmp_path, command, arguments, message):
    (tmp_path / "corrupt.safetensors").write_bytes(b"\x00" * 20)
    (tmp_path / "corrupt.py").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text("{")
    assert message in refused(capsys, command, *arguments)
    assert not (tmp_path / "out").exists() and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "sac"], "unknown rule to compare with 'sac'; perhaps a2c; known: random, a2c, reinforce, "),
        (["--tune", "-1"], "--tune must be >= 0, got -1"),
        (["--tuned", "absent.json"], "absent.json: No such file or directory"),
        (["--tuned", "lpg.safetensors"], "lpg.safetensors: must be a settings file written by `groove tune`"),
        (["--tuned", "dpo.json"], "tuned settings are for dpo on own: vector; compared: lpg, ppo, a2c on classic@2"),
        (["--tuned", "here.json", "--against", "a2c"], "ppo on own: vector; compared: lpg, a2c on classic@2"),
        (["--tuned", "here.json", "--tune", "5"], "--tuned has settings of 4 configurations, but --tune tries 5"),
    ],
)  # fmt: skip
def test_mistakes_of_a_benchmark_are_told_in_one_line(capsys, tmp_path, arguments, message):
    for name, rule in (("dpo", "dpo"), ("here", "ppo")):
        search = search_of(hand_written(rule), [tiny.catch()], 4)
        add_tuned(tmp_path / f"{name}.json", {search: Configuration(Hyperparameters(1.0, 1.0), 4, 5)})
    assert message in refused(capsys, "benchmark", "lpg.safetensors", "--suite", "classic", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "tune: name a rule first"),
        (["ppo", "--suite", "gymnax:Pong-misc"], "gymnax:Pong-misc has no validation environments to tune on"),
        (["ppo", "--configurations", "0"], "--configurations must be >= 1, got 0"),
        (
            ["sac"],
            "no rule file 'sac'; shipped rules: laptop; perhaps a2c; hand-written rules: a2c, reinforce, ",
        ),
        (["random"], "no rule file 'random'"),
    ],
)
def test_mistakes_of_tune_are_told_in_one_line(capsys, arguments, message):
    assert message in refused(capsys, "tune", *arguments)


@pytest.mark.usefixtures("named")
def test_benchmark_from_end_to_end(capsys, tmp_path):
    command = ["benchmark", "lpg.safetensors", "--suite", "tiny", "--against", "ppo", *SMALL]
    command += ["--out", "out"]
    out = tmp_path / "out"
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "tiny: 1 tasks, random actions (0) and PPO (1) where" in printed and "out/summary.json" in printed
    # 20 steps an update, 10 updates.
    lived = rows(out)
    assert [(row["rule"], row["seed"], row["step"]) for row in lived] == [
        (rule, seed, step)
        for rule, steps in (("random", ["0"]), ("lpg", ["100", "200"]), ("ppo", ["100", "200"]))
        for seed in "01"
        for step in steps
    ]
    summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert set(summary["tiny"]["rules"]) == {"lpg", "ppo"} and summary["tiny"]["rules"]["ppo"]["mean"][0] == 1
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}
    assert (out / "figures" / "tiny-curves.png").stat().st_size > 2000
    # Again, nothing is lived: what the clock said is still all there is.
    names = ("results.csv", "timing.jsonl", "config.json")
    before = {name: (out / name).read_bytes() for name in names}
    assert main(command) == 0
    assert {name: (out / name).read_bytes() for name in names} == before
    assert "tiny: random" not in capsys.readouterr().out
    assert "holds another experiment, with different suites" in refused(capsys, *command, "--workers", "2")


@pytest.mark.usefixtures("named")
def test_evaluate_compares_several_rules_and_takes_those_of_a_group_together(capsys, tmp_path):
    tiny.save(tmp_path / "other" / "lpg.safetensors", seed=2)
    tiny.save(tmp_path / "run" / "rule.safetensors", seed=3)
    tiny.save_group(tmp_path / "group", (1, 0))
    rules = ["lpg.safetensors", "group", "other/lpg.safetensors", "run"]
    command = ["evaluate", *rules, "--suite", "tiny", *SMALL]
    assert main(command) == 0
    (out,) = (tmp_path / "runs").glob("evaluate-*")
    members = ["group/seed-1", "group/seed-0"]
    names = ["random", "ppo", "lpg", *members, "lpg 2", "run"]
    assert list(dict.fromkeys(row["rule"] for row in rows(out))) == names
    (found,) = json.loads((out / "summary.json").read_text()).values()
    assert list(found["rules"]) == ["ppo", "lpg", "group", "lpg 2", "run"]
    assert found["rules"]["group"]["meta_seeds"] == 2 and found["rules"]["group"]["runs"] == 4
    better = found["probability_of_improvement"]
    assert list(better) == ["lpg", "group", "lpg 2", "run"] and list(better["group"]) == ["ppo", "lpg", "lpg 2", "run"]
    printed = capsys.readouterr().out
    assert str(out.name) in printed and "seed-1" not in printed.partition("tiny: 1 tasks")[2]


def test_rules_of_a_group_are_tuned_each_and_compared_as_one(capsys, tmp_path, named):
    tiny.save_group(tmp_path / "group", (0, 1))
    command = ["tune", "group", "--suite", "tiny", "--configurations", "2", *SMALL[4:], "--out", "t.json"]
    assert main(command) == 0
    assert capsys.readouterr().out.count(" on tiny: vector: 4 x 5, learning_rate ") == 2
    command = ["benchmark", "group", "--suite", "tiny", "--against", "ppo", "--tuned", "t.json", *SMALL]
    assert main([*command, "--out", "out"]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())["tiny"]
    assert list(found["rules"]) == ["group", "ppo", "group (tuned)"]
    assert found["rules"]["group (tuned)"]["meta_seeds"] == 2
    assert list(found["probability_of_improvement"]["group"]) == ["ppo"]


def test_group_that_cannot_be_compared_is_refused(capsys, tmp_path):
    group = tiny.save_group(tmp_path / "group", (0, 1))
    (group / "seed-1" / "rule.safetensors").unlink()
    line = "group/seed-1: 0 of 2500 generations are done; finish the group with: groove resume group"
    for command in ("evaluate", "tune"):
        assert refused(capsys, command, "group", "--suite", "classic") == line
    assert refused(capsys, "bakeoff", "group") == "'group' holds several rules; name one of them: group/seed-0"


def test_benchmark_tunes_every_rule_alike_and_ppo_on_the_environment_itself(tmp_path, named):
    command = ["benchmark", "lpg.safetensors", "--suite", "tiny", "--against", "ppo", "--tune", "2", *SMALL]
    assert main([*command, "--out", "out"]) == 0
    tuned = read_tuned(tmp_path / "out" / "tuned-2.json")
    assert [(search.name, search.where, search.ceiling) for search in tuned] == [
        ("lpg", "tiny: vector", False),
        ("ppo", "tiny: vector", False),
        ("ppo", "tiny/catch", True),
    ]
    names = ["random", "lpg", "ppo", "lpg (tuned)", "ppo (tuned)", "ppo, tuned here"]
    assert list(dict.fromkeys(row["rule"] for row in rows(tmp_path / "out"))) == names


def test_tune_writes_what_benchmark_reads(capsys, tmp_path, named):
    assert (
        main(["tune", "lpg.safetensors", "--suite", "tiny", "--configurations", "2", *SMALL[4:], "--out", "new/t.json"])
        == 0
    )
    assert "lpg on tiny: vector: 4 x 5, learning_rate " in (printed := capsys.readouterr().out)
    assert printed.count("  behind by ") == 1
    (search,) = read_tuned(tmp_path / "new" / "t.json")
    elsewhere = replace(search, suite="elsewhere", where="elsewhere: vector")
    add_tuned(tmp_path / "more.json", {elsewhere: Configuration(Hyperparameters(2.0, 2.0), 4, 5)})
    files = ["new/t.json", "more.json"]
    command = ["benchmark", "lpg.safetensors", "--suite", "tiny", "--against", "random", "--tuned", *files, *SMALL]
    assert main([*command, "--out", "out"]) == 0
    # Settings of one rule in several files are one rule's.
    names = ["ppo", "lpg", "random", "lpg (tuned)"]
    assert list(dict.fromkeys(row["rule"] for row in rows(tmp_path / "out"))) == names


@pytest.fixture
def nobody_lives(monkeypatch):
    """Commands write config.json and run no agents."""
    monkeypatch.setattr(Experiment, "run", lambda *arguments: None)
    monkeypatch.setattr(groove.commands.measure, "_report", lambda *arguments: None)


def test_swapping_two_rule_files_changes_nothing(tmp_path, named, nobody_lives):
    # Discovered with 4 workers' 5 steps and with 8 workers' 10 steps.
    for name, shape in (("first", {}), ("second", {"workers": 8, "rollout_length": 10})):
        tiny.save(tmp_path / f"{name}.safetensors", shape=shape)
    configs = []
    for number, rules in enumerate((["first", "second"], ["second", "first"])):
        files = [f"{name}.safetensors" for name in rules]
        assert main(["evaluate", *files, "--suite", "tiny", *SMALL, "--out", f"out-{number}"]) == 0
        configs.append(json.loads((tmp_path / f"out-{number}" / "config.json").read_text()))
    assert configs[0] == configs[1] and set(configs[0]["rules"]["tiny"]) == {"random", "ppo", "first", "second"}


def test_a_search_waits_for_no_other_command_in_its_folder(capsys, tmp_path, named, nobody_lives, monkeypatch):
    # While a benchmark searches, another one in the same folder is refused at once.
    command = ["benchmark", "lpg.safetensors", "--suite", "tiny", "--against", "ppo", "--tune", "2", *SMALL]
    command += ["--out", "out"]
    ends = []

    def search(*arguments):
        if not ends:
            ends.append(None)
            ends[0] = refused(capsys, *command)
        return {}

    monkeypatch.setattr(groove.commands.measure, "_search", search)
    assert main(command) == 0
    assert ends[0].startswith("out: in use by process ")
