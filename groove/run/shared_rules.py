"""Rules that every process of a job holds alike, although only one of them reads their files."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jax.sharding import Mesh
from jaxtyping import PyTree

from groove.job.agreement import from_writer
from lpg.rule_file import read_rule_header
from lpg.rules.lpg import LPG
from lpg.saved_rules import load_rule, save_rule


class SharedRule(NamedTuple):
    """A rule with its meta-parameters, the same on every process.

    Attributes:
        rule: the rule.
        meta_params: its meta-parameters.
        provenance: JSON object that says where it comes from.
        sha256: digest of its file.
    """

    rule: LPG
    meta_params: PyTree
    provenance: dict[str, Any]
    sha256: str

    def save(self, path: Path) -> None:
        """Write the rule's file.

        Args:
            path: the file to create or replace.

        Raises:
            RuleFileError: the file cannot be written.
        """
        save_rule(path, self.rule, self.meta_params, self.provenance)


def shared_rule(mesh: Mesh, rule: tuple[LPG, PyTree, dict[str, Any]] | None) -> SharedRule | None:
    """Send a rule from the writing process to the others.

    Args:
        mesh: mesh of the lives.
        rule: result of `load_rule` on the writing process, None for no rule; ignored on the others.

    Returns:
        The rule, None if there is none; the same on every process.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rule.safetensors"
        if rule is not None:
            save_rule(path, *rule)
        content = from_writer(mesh, b"" if rule is None else path.read_bytes())
        if not content:
            return None
        path.write_bytes(content)
        return SharedRule(*load_rule(path), read_rule_header(path).sha256)
