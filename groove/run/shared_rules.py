"""Rules that every process of a job holds alike, although only one of them reads their files."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from jaxtyping import PyTree

from groove.job.agreement import from_writer
from lpg.rule_file import read_rule, read_rule_header, write_rule
from lpg.update_rule import UpdateRule


class SharedRule(NamedTuple):
    """The content of a rule file, the same on every process.

    Attributes:
        architecture: JSON object from which the rule can be rebuilt.
        meta_params: the rule's meta-parameters.
        provenance: JSON object that says where the rule comes from.
        sha256: digest of all three.
    """

    architecture: dict[str, Any]
    meta_params: PyTree
    provenance: dict[str, Any]
    sha256: str

    def save(self, path: Path) -> None:
        """Write the rule file.

        Args:
            path: the file to create or replace.

        Raises:
            RuleFileError: the file cannot be written.
        """
        write_rule(path, self.architecture, self.meta_params, self.provenance)


def shared_rule(mesh: Mesh, rule: UpdateRule, path: Path | None) -> SharedRule | None:
    """Read a rule file on the writing process and send it to the others.

    Args:
        mesh: mesh of the lives.
        rule: the rule whose meta-parameters are in the file.
        path: the file; None on the other processes, or if there is none.

    Returns:
        Its content, None if there is none; the same on every process.

    Raises:
        RuleFileError: the file is corrupt, or its meta-parameters are not those of the rule.
    """

    def template(_: dict[str, Any]) -> PyTree:
        return jax.eval_shape(rule.init, jax.random.key(0))

    with TemporaryDirectory() as folder:
        copy = Path(folder) / "rule.safetensors"
        if path is not None:
            write_rule(copy, *read_rule(path, template))
        content = from_writer(mesh, b"" if path is None else copy.read_bytes())
        if not content:
            return None
        copy.write_bytes(content)
        return SharedRule(*read_rule(copy, template), read_rule_header(copy).sha256)
