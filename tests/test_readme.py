"""The README is true: its figures come from published runs, and its commands and code are valid."""

import pkgutil
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.readme_tables import TABLES, filled
from groove.commands.main import COMMANDS
from groove.config import EXPERIMENTS
from lpg.saved_rules import load_rule

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = sorted(path.parent.name for path in (ROOT / "runs" / "published").glob("*/results.json"))


@pytest.mark.parametrize("document", TABLES)
def test_documents_show_the_tables_of_published_runs(document):
    assert filled(document) == (ROOT / document).read_text(encoding="utf-8")


def test_every_published_run_has_its_table_in_the_readme():
    assert set(PUBLISHED) <= set(TABLES["README.md"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rule_can_be_read(name):
    rule, meta_params, provenance = load_rule(ROOT / "runs" / "published" / name / "rule.safetensors")
    assert rule.prediction_size == provenance["config"]["prediction_size"]
    assert meta_params


def test_readme_names_known_commands_and_experiments():
    commands = [shlex.split(line, comments=True) for line in README.splitlines() if line.startswith("groove ")]
    assert commands
    for command in commands:
        assert command[1] in COMMANDS or command[1] == "--version"
        if command[1] == "train":
            assert command[2] in EXPERIMENTS


def test_readme_code_compiles():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_readme_names_functions_that_exist():
    dotted = re.findall(r"`((?:groove|lpg|levels|ued)\.[a-z_]+(?:\.[A-Za-z_0-9]+)*)", README)
    assert dotted
    for name in dotted:
        pkgutil.resolve_name(name)
