"""`groove completion`: the script by which a shell completes commands, names and flags."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_origin

from groove.commands.bakeoff import BakeoffFlags
from groove.commands.benchmark import BenchmarkFlags
from groove.commands.curriculum import CurriculumFlags
from groove.commands.evaluate import EvaluateFlags
from groove.commands.flag_fields import alternatives, flags_of
from groove.commands.flags import read_flags
from groove.commands.levels import EditFlags, SampleFlags, ShowFlags, SolveFlags
from groove.commands.main import COMMANDS
from groove.commands.resume import ResumeFlags
from groove.commands.rules import RulesFlags
from groove.commands.train import TrainFlags
from groove.commands.tune import TuneFlags
from groove.config import EXPERIMENTS
from groove.transfer.suites import SUITES
from levels.registry import GENERATORS
from lpg.shipped_rules import SHIPPED


@dataclass(frozen=True)
class CompletionFlags:
    """Print the script by which bash and zsh complete commands, names and flags; in ~/.bashrc or ~/.zshrc:
    eval "$(groove completion)"."""


FLAGS: dict[str, tuple[Any, Iterable[str]]] = {
    "train": (TrainFlags, ()),
    "resume": (ResumeFlags, ()),
    "curriculum": (CurriculumFlags, ()),
    "bakeoff": (BakeoffFlags, SHIPPED),
    "evaluate": (EvaluateFlags, SHIPPED),
    "benchmark": (BenchmarkFlags, SHIPPED),
    "tune": (TuneFlags, SHIPPED),
    "rules": (RulesFlags, SHIPPED),
    "levels sample": (SampleFlags, GENERATORS),
    "levels show": (ShowFlags, GENERATORS),
    "levels solve": (SolveFlags, GENERATORS),
    "levels edit": (EditFlags, GENERATORS),
    "completion": (CompletionFlags, ()),
}
"""Command -> the dataclass of its flags, and the names that its arguments may be."""

VALUES: dict[str, Iterable[str]] = {"--levels": GENERATORS, "--suite": SUITES, "--from": SHIPPED}
"""Flag -> names that its value may be, where its type does not list them."""

SCRIPT = """\
# Completion of groove in bash and zsh: eval "$(groove completion)"
if [ -n "${ZSH_VERSION-}" ]; then
  autoload -U +X compinit bashcompinit && compinit && bashcompinit
fi
_groove() {
  local word=${COMP_WORDS[COMP_CWORD]} before names=
  printf -v before "%%s " groove "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"
  case $before in
%s
  esac
  [[ $word == -* ]] || case " --${before##* --}" in
%s
  esac
  COMPREPLY=($(compgen -W "$names" -- "$word"))
}
complete -o default -F _groove groove
"""
"""Shell function of the words before the one to complete. Where it knows no names, the shell completes files."""


def completion(arguments: list[str]) -> int:
    """Run `groove completion`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    read_flags(CompletionFlags, "groove completion", arguments)
    print(script(), end="")
    return 0


def script() -> str:
    """Return the script, with the commands, names and flags of this version.

    Returns:
        Lines of shell.
    """
    actions = [command.partition(" ")[2] for command in FLAGS if command.startswith("levels ")]
    exact = {"": [*COMMANDS, "--help", "--version"], "train ": EXPERIMENTS, "levels ": actions}
    commands = [_case(f'"groove {words}"', names) for words, names in exact.items()]
    commands += [
        _case(f'"groove {command} "*', [*names, *flags_of(kind), "--help"]) for command, (kind, names) in FLAGS.items()
    ]
    flags = {flag: kind for kind, _ in FLAGS.values() for flag, kind in flags_of(kind).items() if kind is not bool}
    known = {flag: names for flag, kind in flags.items() if (names := VALUES.get(flag, alternatives(kind)))}
    # A flag that takes several values takes another one after each.
    values = [_case(f'" {flag} "{"*" if get_origin(flags[flag]) is tuple else ""}', known[flag]) for flag in known]
    values.append(_case("|".join(f'" {flag} "' for flag in flags if flag not in known), ()))
    return SCRIPT % ("\n".join(commands), "\n".join(values))


def _case(pattern: str, names: Iterable[str]) -> str:
    return f"  {pattern}) names={shlex.quote(' '.join(names))} ;;"
