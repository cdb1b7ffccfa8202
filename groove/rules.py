"""Rule files with the config of the run that discovered them."""

from pathlib import Path

from jaxtyping import PyTree

from groove.config import TrainConfig
from lpg.rules.lpg import LPG
from lpg.saved_rules import load_rule


def read_discovered_rule(path: Path | str) -> tuple[LPG, PyTree, TrainConfig]:
    """Return a rule with the config of the run that discovered it.

    Args:
        path: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, the config.

    Raises:
        RuleFileError: the file is corrupt, foreign or describes no rule.
        ValueError: there is no such file, or it does not say how the rule was discovered.
    """
    rule, meta_params, provenance = load_rule(path)
    try:
        return rule, meta_params, TrainConfig.from_json(provenance.get("config"))
    except ValueError as error:
        raise ValueError(f"{path}: provenance: {error}") from error
