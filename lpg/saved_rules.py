"""Loading rules with their meta-parameters from rule files, and saving them."""

from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from lpg.rule_file import read_rule, write_rule
from lpg.rules.lpg import LPG
from lpg.shipped_rules import rule_path


def load_rule(rule: Path | str) -> tuple[LPG, PyTree, dict[str, Any]]:
    """Load a rule to train agents with.

    Args:
        rule: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, and its provenance, JSON that says where it comes from.

    Raises:
        RuleFileError: the file is corrupt, of another kind, or describes no valid rule.
        ValueError: there is no such file.
    """

    def template(architecture: dict[str, Any]) -> PyTree:
        return jax.eval_shape(_built(architecture).init, jax.random.key(0))

    architecture, meta_params, provenance = read_rule(rule_path(rule), template)
    return _built(architecture), meta_params, provenance


def save_rule(path: Path | str, rule: LPG, meta_params: PyTree, provenance: dict[str, Any] | None = None) -> None:
    """Save a rule atomically. Equal inputs give equal bytes.

    Args:
        path: the file to create or replace.
        rule: the rule.
        meta_params: the rule's meta-parameters, all finite.
        provenance: JSON object that says where the rule comes from; empty by default.

    Raises:
        RuleFileError: a meta-parameter is not finite, or the file cannot be written.
    """
    write_rule(Path(path), rule.architecture, meta_params, provenance or {})


def _built(architecture: dict[str, Any]) -> LPG:
    """Return the rule that a rule file describes; a ValueError says what is wrong with the description."""
    known = LPG().architecture
    if set(architecture) != set(known):
        raise ValueError(f"must have the fields {', '.join(known)}, got {', '.join(sorted(architecture)) or 'none'}")
    for name in ("prediction_size", "hidden_size", "embedding_size"):
        value = architecture[name]
        if type(value) is not int or value > 2**16:
            raise ValueError(f"{name} must be an integer up to {2**16}, got {value!r}")
    if type(architecture["cell"]) is not str:
        raise ValueError(f"cell must be a string, got {architecture['cell']!r}")
    if type(architecture["lifetime_inputs"]) is not bool:
        raise ValueError(f"lifetime_inputs must be true or false, got {architecture['lifetime_inputs']!r}")
    return LPG(**architecture)
