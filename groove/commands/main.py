"""The command line: `groove COMMAND`. Imports of JAX wait until a command needs them."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from groove import __version__
from groove.errors import CommandError, choose, report
from levels.plugins import PluginChangedWarning

COMMANDS = {
    "train": ("groove.commands.train", "train", "meta-train a rule: groove train EXPERIMENT [--flags]"),
    "resume": (
        "groove.commands.resume",
        "resume",
        "continue a run that was stopped, or past its end: groove resume RUN",
    ),
    "curriculum": (
        "groove.commands.curriculum",
        "curriculum",
        "show the levels that a run's curriculum keeps: groove curriculum RUN",
    ),
    "bakeoff": (
        "groove.commands.bakeoff",
        "bakeoff",
        "compare all scores on one pool of levels: groove bakeoff RULE",
    ),
    "evaluate": (
        "groove.commands.evaluate",
        "evaluate",
        "measure a rule in environments it never saw: groove evaluate RULE --suite ...",
    ),
    "benchmark": (
        "groove.commands.benchmark",
        "benchmark",
        "compare a rule with PPO, A2C and others: groove benchmark RULE --against ppo a2c --suite ...",
    ),
    "tune": (
        "groove.commands.tune",
        "tune",
        "tune learning rates and costs by random search: groove tune RULE|ppo|a2c --suite ...",
    ),
    "rules": ("groove.commands.rules", "rules", "list update rules and rule files: groove rules [FILE ...]"),
    "levels": (
        "groove.commands.levels",
        "levels",
        "sample, show, solve and edit levels: groove levels sample|show|solve|edit",
    ),
    "completion": (
        "groove.commands.completion",
        "completion",
        'let bash or zsh complete commands, names and flags: eval "$(groove completion)"',
    ),
}


def usage() -> str:
    """Return what `groove --help` prints.

    Returns:
        A few lines.
    """
    lines = ["usage: groove COMMAND [...]", "", "Discover reinforcement-learning algorithms.", ""]
    lines += [f"  {name:10s} {text}" for name, (_, _, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "groove COMMAND --help says more; groove --version prints the version."])


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print each warning of a changed plugin once, as a line without its place in our code."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if issubclass(category, PluginChangedWarning):
            print(f"groove: {message}", file=sys.stderr)
        else:
            otherwise(message, category, *place, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("once", PluginChangedWarning)
        otherwise = warnings.showwarning
        warnings.showwarning = show
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line; the process's own by default.

    Returns:
        Exit status: 0, 1 where a run failed, 2 for a user's mistake, 130 if a run was interrupted,
        141 if nobody reads the output any more.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"groove {__version__}")
        return 0
    try:
        choose("command", arguments[0], COMMANDS)
        module, function, _ = COMMANDS[arguments[0]]
        command: Callable[[list[str]], int] = getattr(import_module(module), function)
        with _plain_warnings():
            status = command(arguments[1:])
        sys.stdout.flush()
        return status
    except (CommandError, KeyboardInterrupt, BrokenPipeError) as error:
        return report(error)
