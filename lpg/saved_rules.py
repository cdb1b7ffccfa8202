"""Rules and their meta-parameters, loaded from and saved to rule files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from levels.plugins import find_again
from lpg.rule_file import read_rule, read_rule_header, write_rule
from lpg.rules.lpg import LPG
from lpg.rules.plugin_rule import PluginRule
from lpg.rules.residual import Residual
from lpg.settings import ResidualSettings, RuleSettings
from lpg.shipped_rules import rule_path

KINDS: dict[type, str] = {str: "a string", int: "an integer", list: "a list of strings"}
"""What the fields of a residual rule are in a file, for complaints."""

LearnedRule = LPG | Residual | PluginRule
"""A rule that can be meta-trained and kept in a rule file."""


def load_rule(rule: Path | str) -> tuple[LearnedRule, PyTree, dict[str, Any]]:
    """Load a rule with its meta-parameters.

    Args:
        rule: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, and its provenance, a JSON object that says where it comes from.

    Raises:
        RuleFileError: the file is corrupt, of another kind, or does not describe a rule.
        ValueError: there is no such file, or the Python file that defines the rule is missing or fails.
    """
    path = rule_path(rule)
    header = read_rule_header(path)
    architecture = header.architecture
    if isinstance(architecture.get("plugin"), str):
        # The file that defines the rule may have moved with the rule file.
        found = find_again(architecture["plugin"], header.provenance.get("plugins", {}), path)
        architecture = architecture | {"plugin": found}

    def template(_: dict[str, Any]) -> PyTree:
        return jax.eval_shape(_built(architecture).init, jax.random.key(0))

    _, meta_params, provenance = read_rule(path, template)
    return _built(architecture), meta_params, provenance


def save_rule(
    path: Path | str, rule: LearnedRule, meta_params: PyTree, provenance: dict[str, Any] | None = None
) -> None:
    """Write a rule atomically. Equal inputs give equal bytes.

    Args:
        path: the file to create or replace.
        rule: the rule.
        meta_params: its meta-parameters, finite.
        provenance: JSON object that says where the rule comes from; empty by default.

    Raises:
        RuleFileError: a meta-parameter is not finite, or the file cannot be written.
    """
    write_rule(Path(path), rule.architecture, meta_params, provenance or {})


def _built(architecture: dict[str, Any]) -> LearnedRule:
    """Return the rule that an architecture describes; raise ValueError if the description is wrong."""
    fields = dict(architecture)
    if "residual" in fields:
        return Residual(_residual_settings(fields))
    scale_free = fields.pop("scale_free", False)
    if type(scale_free) is not bool:
        raise ValueError(f"scale_free must be true or false, got {scale_free!r}")
    mark = "plugin" if "plugin" in fields else "lifetime_inputs"
    known = [*(name for name in LPG().architecture if name != "lifetime_inputs"), mark]
    if set(fields) != set(known):
        raise ValueError(f"must have the fields {', '.join(known)}, got {', '.join(sorted(fields)) or 'none'}")
    for name, value in fields.items():
        if name.endswith("_size") and (type(value) is not int or value > 2**16):
            raise ValueError(f"{name} must be an integer up to {2**16}, got {value!r}")
    for name in {"cell", "plugin"} & set(known):
        if type(fields[name]) is not str:
            raise ValueError(f"{name} must be a string, got {fields[name]!r}")
    if mark == "plugin":
        return PluginRule(RuleSettings(rule=fields.pop(mark), scale_free=scale_free, **fields))
    if type(fields[mark]) is not bool:
        raise ValueError(f"{mark} must be true or false, got {fields[mark]!r}")
    return LPG(RuleSettings(rule="ta-lpg" if fields.pop(mark) else "lpg", scale_free=scale_free, **fields))


def _residual_settings(fields: dict[str, Any]) -> ResidualSettings:
    known = asdict(ResidualSettings())
    given = known | fields["residual"] if isinstance(fields["residual"], dict) else None
    if len(fields) > 1 or given is None or set(given) != set(known):
        raise ValueError(f"residual must be the one field and have the fields {', '.join(known)}")
    for name, default in known.items():
        kind = list if type(default) is tuple else type(default)
        if type(given[name]) not in (kind, type(default)) or kind is list and {type(x) for x in given[name]} - {str}:
            raise ValueError(f"residual: {name} must be {KINDS[kind]}, got {given[name]!r}")
        if kind is int and given[name] > 2**16:
            raise ValueError(f"residual: {name} must be at most {2**16}, got {given[name]}")
    settings: dict[str, Any] = {name: tuple(x) if type(x) is list else x for name, x in given.items()}
    return ResidualSettings(**settings)
