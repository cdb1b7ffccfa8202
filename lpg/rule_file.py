"""Shareable update rules: weights, architecture and provenance in one safetensors file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from lpg.tensor_file import TensorFileError, TensorFormat, named_leaves

RULE_FORMAT = TensorFormat(kind="groove rule", version=1, max_bytes=2**30)
"""Version 1: content `{"architecture": …, "provenance": …}`, and one tensor per leaf of the meta-parameters."""


class RuleFileError(ValueError):
    """A one-line message that names the rule file and says what is wrong with it."""


@dataclass(frozen=True)
class RuleHeader:
    """The header of a rule file.

    Attributes:
        architecture: JSON object from which the rule can be rebuilt.
        provenance: JSON object that says where the rule comes from.
        format_version: version of the file format, ≥ 1.
        sha256: hexadecimal digest of architecture, provenance and tensors; equal rules have equal digests.
    """

    architecture: dict[str, Any]
    provenance: dict[str, Any]
    format_version: int
    sha256: str


def describe(architecture: dict[str, Any]) -> str:
    """Describe a rule in a few words, for tables and messages.

    Args:
        architecture: JSON object of a rule file.

    Returns:
        Such as "lpg gru 32, Y = 8" or "residual of ppo, 5 features, 2 outputs", or the file and name of a rule of a
        user's own.
    """
    if "plugin" in architecture:
        return str(architecture["plugin"])
    if "residual" in architecture:
        settings = architecture["residual"]
        if not isinstance(settings, dict):
            return "residual"
        size, units, base = (settings.get(name) for name in ("size", "units", "base"))
        counts = ", ".join(f"{len(settings.get(name, ()))} {name}" for name in ("features", "outputs"))
        return f"residual{'' if size in (None, 'linear') else f' {size} {units}'} of {base}, {counts}"
    name = "ta-lpg" if architecture.get("lifetime_inputs") else "lpg"
    name = f"scale-free {name}" if architecture.get("scale_free") else name
    cell, size, num_classes = (architecture.get(field) for field in ("cell", "hidden_size", "prediction_size"))
    return f"{name} {cell} {size}, Y = {num_classes}"


def write_rule(path: Path, architecture: dict[str, Any], meta_params: PyTree, provenance: dict[str, Any]) -> None:
    """Write a rule atomically. Equal inputs give equal bytes; no time or host name is added.

    Args:
        path: the file to create or replace.
        architecture: JSON object from which the caller can rebuild the rule.
        meta_params: nested dict of finite arrays; () for a rule that has none.
        provenance: JSON object that says where the rule comes from.

    Raises:
        RuleFileError: a meta-parameter is not finite, or the file cannot be written.
    """
    tensors = {name: np.asarray(leaf) for name, leaf in named_leaves(meta_params).items()}
    _check_finite(path, tensors)
    try:
        RULE_FORMAT.write(path, {"architecture": architecture, "provenance": provenance}, tensors)
    except TensorFileError as error:
        raise RuleFileError(str(error)) from error


def read_rule_header(path: Path) -> RuleHeader:
    """Read a rule file's header, but not its weights, whose digest `read_rule` checks.

    Raises:
        RuleFileError: the file is missing, too large, truncated, of another kind or of a newer format.
    """
    try:
        header = RULE_FORMAT.read_header(path)
    except TensorFileError as error:
        raise RuleFileError(str(error)) from error
    architecture, provenance = header.content.get("architecture"), header.content.get("provenance")
    if not isinstance(architecture, dict) or not isinstance(provenance, dict):
        raise RuleFileError(f"{path}: corrupt: the header lacks architecture or provenance")
    return RuleHeader(architecture, provenance, header.format_version, header.sha256)


def read_rule(
    path: Path, template_for: Callable[[dict[str, Any]], PyTree]
) -> tuple[dict[str, Any], PyTree, dict[str, Any]]:
    """Read a rule and check every tensor against the architecture in its header.

    Args:
        path: the rule file.
        template_for: a function that validates an architecture (it raises ValueError to refuse it) and
            returns its meta-parameters as a tree of `jax.ShapeDtypeStruct`.

    Returns:
        The architecture; the meta-parameters, finite NumPy arrays in a tree like the template; the provenance.

    Raises:
        RuleFileError: as for `read_rule_header`, or the architecture is refused, or a tensor is missing,
            unknown, corrupt, not finite, or of the wrong shape or dtype.
    """
    header = read_rule_header(path)
    try:
        template = template_for(header.architecture)
    except ValueError as error:
        raise RuleFileError(f"{path}: unknown architecture: {error}") from error
    try:
        tensors = RULE_FORMAT.read(path, named_leaves(template))
    except TensorFileError as error:
        raise RuleFileError(str(error)) from error
    _check_finite(path, tensors)
    return header.architecture, jax.tree.unflatten(jax.tree.structure(template), tensors.values()), header.provenance


def _check_finite(path: Path, tensors: dict[str, np.ndarray]) -> None:
    for name, tensor in tensors.items():
        if not np.all(np.isfinite(tensor)):
            raise RuleFileError(f"{path}: tensor {name} is not finite")
