"""Shipped rules are found by name and equal the rules of their recorded runs."""

from pathlib import Path

import pytest

from lpg.saved_rules import load_rule
from lpg.shipped_rules import SHIPPED, rule_path

ROOT = Path(__file__).parents[2]


def test_rule_path_prefers_the_name_of_a_shipped_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^no rule file './laptop'; perhaps laptop; shipped rules: laptop$"):
        rule_path("./laptop")
    Path("laptop").touch()
    assert rule_path("laptop") == SHIPPED["laptop"]
    assert rule_path("./laptop") == rule_path(Path("laptop")) == Path("laptop")


def test_every_packaged_rule_has_a_name():
    assert set(SHIPPED.values()) == set(SHIPPED["laptop"].parent.iterdir())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_rule_is_the_rule_of_its_recorded_run(name):
    assert SHIPPED[name].read_bytes() == (ROOT / "runs" / "published" / name / "rule.safetensors").read_bytes()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_rule_can_be_read_by_name(name):
    rule, meta_params, provenance = load_rule(name)
    assert rule.prediction_size == provenance["config"]["prediction_size"]
    assert meta_params
