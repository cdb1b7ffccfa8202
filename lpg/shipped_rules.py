"""The rule files that come with the package, by name."""

from pathlib import Path

from levels.near_names import perhaps
from levels.plugins import is_plugin

SHIPPED = {name: Path(__file__).parent / "shipped" / f"{name}.safetensors" for name in ("laptop",)}
"""Shipped rule files by name; each is the rule from the run of that name in runs/published."""

RULE_NAME = "rule.safetensors"
"""Name of the rule file in the folder of a training run."""


def rule_path(rule: Path | str) -> Path:
    """Return the file of a rule given by name or by path.

    A shipped rule's name takes precedence over a file of that name in the working directory; use `./NAME` or a `Path`
    for the file.

    Args:
        rule: a key of `SHIPPED`, as a string, or the path of a rule file or of a folder that holds a `RULE_NAME`.

    Returns:
        Path of the file.

    Raises:
        ValueError: there is no such file.
    """
    path = SHIPPED[rule] if isinstance(rule, str) and rule in SHIPPED else Path(rule)
    if path.is_dir():
        deeper = ", ".join(str(found.parent) for found in sorted(path.glob(f"*/{RULE_NAME}")))
        path /= RULE_NAME
        if not path.exists() and deeper:
            raise ValueError(f"{str(rule)!r} holds several rules; name one of them: {deeper}")
    if is_plugin(str(rule)):
        raise ValueError(f"{str(rule)!r} names a rule without meta-parameters; name the rule file of its meta-training")
    if not path.exists():
        near = perhaps(str(rule), SHIPPED)
        raise ValueError(f"no rule file {str(rule)!r}{near}; shipped rules: {', '.join(SHIPPED)}")
    return path
