"""What a message says about a missing optional library."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

import levels.extras
from levels.extras import DISTRIBUTION, install_hint

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_distribution_is_the_installed_one():
    assert PROJECT["name"] == DISTRIBUTION
    assert requires(DISTRIBUTION)


@pytest.mark.parametrize("extra", EXTRAS)
def test_install_hint_names_the_requirements_of_the_extra(extra):
    from packaging.requirements import Requirement

    hinted = re.findall("'([^']+)'", install_hint(extra, "absent"))
    assert [Requirement(text) for text in hinted] == [Requirement(text) for text in EXTRAS[extra]]


def test_install_hint_works_in_a_source_tree_that_was_never_installed(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(levels.extras, "requires", absent)
    assert install_hint("literature", "jaxued") == f"{sys.executable} -m pip install 'jaxued'"
