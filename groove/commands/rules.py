"""`groove rules`: the update rules there are, and what rule files say about themselves."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console
from rich.table import Table

from groove.commands.flags import read_flags
from groove.errors import UsageError, one_line
from groove.records.group_folder import GroupFolder
from groove.records.run_folder import RunFolder
from levels.plugins import PluginError, find_file
from lpg.shipped_rules import RULE_NAME, SHIPPED, rule_path

if TYPE_CHECKING:
    from lpg.rule_file import RuleHeader


@dataclass(frozen=True)
class RulesFlags:
    """List the update rules, and the rule files given, or those shipped and those under runs/."""

    files: tyro.conf.Positional[tuple[str, ...]] = ()
    """Rule files, folders of runs or of groups; the shipped files and those under runs/ by default."""


def rules(arguments: list[str]) -> int:
    """Run `groove rules [FILE ...]`.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    flags = read_flags(RulesFlags, "groove rules", arguments)
    console = Console()
    if not flags.files:
        from lpg.baselines import BASELINES
        from lpg.settings import LEARNED_RULES

        for name, about in (LEARNED_RULES | {name: own.about for name, own in BASELINES.items()}).items():
            console.print(f"{name:10s} {about}", highlight=False)
    if flags.files:
        with one_line(ValueError):
            rule_files = {own: rule_path(own) for name in flags.files for own in _of_group(name)}
    else:
        found = sorted(Path("runs").rglob("*.safetensors"))
        rule_files = SHIPPED | {str(path): path for path in found if _is_result(path)}
    console.print(_table(rule_files, refuse=bool(flags.files)))
    if flags.files:
        _explain(rule_files, console)
    return 0


def _explain(files: dict[str, Path], console: Console) -> None:
    """Print the numbers of residual rules that can be read."""
    from lpg.rule_file import read_rule_header

    for name, path in files.items():
        if "residual" in read_rule_header(path).architecture:
            from groove.report.residual_report import numbers_of
            from lpg.rules.residual import Residual
            from lpg.saved_rules import load_rule

            with one_line(ValueError):
                rule, meta_params, _ = load_rule(path)
            assert isinstance(rule, Residual)
            console.print(f"{name}:", highlight=False, markup=False)
            for table in numbers_of(rule, meta_params):
                console.print(table)


def _of_group(name: str) -> list[str]:
    """Return the folders of a group's runs with a rule, or the name itself if it is not that of a group's folder."""
    found = sorted(str(path.parent) for path in Path(name).glob(f"*/{RULE_NAME}")) if GroupFolder.is_group(name) else []
    return [name] if name in SHIPPED else found or [name]


def _is_result(path: Path) -> bool:
    """Whether a tensor file under runs/ is a rule that a run found: no checkpoint, start or best so far."""
    folder = RunFolder(path.parent)
    return path.parent.name != "checkpoints" and path not in (folder.start_path, folder.best_path)


def _table(files: dict[str, Path], refuse: bool) -> Table:
    """A row for each file by its name; one that cannot be read is refused, or reported in its row."""
    from rich.markup import escape

    from lpg.rule_file import RuleFileError, describe, read_rule_header

    table = Table()
    for column in ("file", "rule", "discovered on", "generations"):
        table.add_column(column, overflow="fold")
    for name, path in files.items():
        try:
            header = read_rule_header(path)
            for file, sha256 in header.provenance.get("plugins", {}).items():
                find_file(Path(file), sha256, path)
        except (RuleFileError, PluginError) as error:
            if refuse:
                raise UsageError(str(error)) from error
            table.add_row(escape(name), escape(str(error)))
            continue
        table.add_row(*map(escape, (name, describe(header.architecture), *_provenance(header))))
    return table


def _provenance(header: "RuleHeader") -> tuple[str, str]:
    config = header.provenance.get("config")
    levels = config.get("levels") if isinstance(config, dict) else None
    return str(levels or "?"), str(header.provenance.get("generations", "?"))
