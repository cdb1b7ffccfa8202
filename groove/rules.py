"""Rule files with the config of the run that discovered them."""

from pathlib import Path

from jaxtyping import PyTree

from groove.config import TrainConfig
from groove.plugin_fields import found_plugins
from lpg.saved_rules import LearnedRule, load_rule
from lpg.shipped_rules import rule_path


def read_discovered_rule(path: Path | str) -> tuple[LearnedRule, PyTree, TrainConfig]:
    """Return a rule with the config of the run that discovered it.

    Args:
        path: a rule file, or the name of a shipped rule.

    Returns:
        The rule, its meta-parameters, the config.

    Raises:
        RuleFileError: the file is corrupt, foreign or describes no rule.
        ValueError: there is no such file, or it does not say how the rule was discovered, or a Python file that the
            run took parts from is missing or fails.
    """
    rule, meta_params, provenance = load_rule(path)
    try:
        config = TrainConfig.from_json(provenance.get("config"))
    except ValueError as error:
        raise ValueError(f"{path}: provenance: {error}") from error
    return rule, meta_params, found_plugins(config, provenance.get("plugins", {}), rule_path(path))
