"""Completion: a real bash that has read the script completes commands, names and flags."""

import shlex
import subprocess

import pytest

from groove.commands.completion import FLAGS, script
from groove.commands.main import COMMANDS, main
from groove.transfer.suites import SUITES
from levels.registry import GENERATORS

ANSWER = """
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_groove
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words):
    """What bash offers in place of the last word."""
    command = ["bash", "--norc", "-c", script() + ANSWER, "bash", *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not ended.stderr
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("groove tr", ["train"]),
        ("groove le", ["levels"]),
        ("groove --v", ["--version"]),
        ("groove train ti", ["tiny"]),
        (".venv/bin/groove train ti", ["tiny"]),
        ("groove train tiny --gener", ["--generations"]),
        ("groove train tiny --seed 4 --gener", ["--generations"]),
        ("groove train tiny --no-so", ["--no-solvable"]),
        ("groove train tiny --antagonist ''", ["a2c", "ppo", "random", "expert"]),
        ("groove train tiny --antagonist ppo --precision b", ["bfloat16"]),
        ("groove train tiny --levels maze_f", ["maze_four_rooms"]),
        ("groove train tiny --run ''", []),
        ("groove resume runs/mine --gen", ["--generations"]),
        ("groove evaluate lap", ["laptop"]),
        ("groove evaluate laptop --suite mazes bs", ["bsuite"]),
        ("groove evaluate laptop --suite mazes --see", ["--seeds"]),
        ("groove benchmark laptop --ag", ["--against"]),
        ("groove levels ''", ["sample", "show", "solve", "edit"]),
        ("groove levels show maze_s --se", ["--seed"]),
        ("groove levels sample chain_d", ["chain_distractor"]),
    ],
)
def test_bash_completes(line, offered):
    assert completed(*shlex.split(line)) == offered


def test_all_names_are_offered():
    assert completed("groove", "") == [*COMMANDS, "--help", "--version"]
    assert set(completed("groove", "levels", "show", "")) > set(GENERATORS)
    assert completed("groove", "tune", "ppo", "--suite", "") == list(SUITES)


def test_every_command_is_completed():
    assert {command.split()[0] for command in FLAGS} == set(COMMANDS)


def test_command_prints_the_script_and_registers_it(capsys):
    assert main(["completion"]) == 0
    printed = capsys.readouterr().out
    assert printed == script()
    command = ["bash", "--norc", "-c", printed + "complete -p groove"]
    registered = subprocess.run(command, capture_output=True, text=True, check=True)
    assert registered.stdout == "complete -o default -F _groove groove\n" and not registered.stderr
