"""The update rules there are, and rules read from their files."""

from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from groove.config import TrainConfig
from lpg.rule_file import load_rule
from lpg.rules.lpg import LPG
from lpg.shipped_rules import rule_path


def rule_from_architecture(architecture: dict[str, Any]) -> LPG:
    """The rule that a rule file describes.

    Args:
        architecture: as `LPG.architecture`.

    Returns:
        The rule, without meta-parameters.

    Raises:
        ValueError: fields are missing, unknown, or out of range.
    """
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


def read_discovered_rule(path: Path | str) -> tuple[LPG, PyTree, TrainConfig]:
    """A rule with the config of the run that discovered it.

    Args:
        path: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, the config.

    Raises:
        RuleFileError: as `read_rule`.
        ValueError: the file does not say how the rule was discovered; names it.
    """
    rule, meta_params, provenance = read_rule(path)
    try:
        return rule, meta_params, TrainConfig.from_json(provenance.get("config"))
    except ValueError as error:
        raise ValueError(f"{path}: provenance: {error}") from error


def read_rule(path: Path | str) -> tuple[LPG, PyTree, dict[str, Any]]:
    """A rule to train agents with.

    Args:
        path: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, and where it comes from.

    Raises:
        RuleFileError: the file is missing, corrupt, foreign or describes no rule.
    """

    def template(architecture: dict[str, Any]) -> PyTree:
        return jax.eval_shape(rule_from_architecture(architecture).init, jax.random.key(0))

    architecture, meta_params, provenance = load_rule(rule_path(path), template)
    return rule_from_architecture(architecture), meta_params, provenance
