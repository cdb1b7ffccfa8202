"""A run of a residual rule, with lives that cost nothing: it starts at its base and is compared with it."""

import json
from io import StringIO

import jax
import numpy as np
import pytest
from rich.console import Console

from groove.records.run_folder import RunFolder
from groove.run.train import Run
from lpg.rule_file import RuleFileError
from lpg.rules.residual import Residual
from lpg.saved_rules import load_rule, save_rule
from tests.smallest_run import SMALLEST, StubPopulation, stub_populations

RESIDUAL = SMALLEST.replaced(rule="residual", shaping="relative", average=2, sigma=0.3, es_learning_rate=0.1)


class WorseOnItsOwn(StubPopulation):
    """Rules that are evaluated alone score minus the score that they had as candidates."""

    def live(self, meta_params, lives):
        lived = super().live(meta_params, lives)
        return lived.replace(returns=-lived.returns) if lives.candidates is None else lived


def finished(tmp_path, config):
    """Return the rows of the closing table and what was printed."""
    text = StringIO()
    with RunFolder.create(tmp_path / "run") as folder:
        Run(config, Console(file=text, width=120)).start(folder)
    return json.loads((tmp_path / "run" / "results.json").read_text()), text.getvalue()


@pytest.mark.parametrize(
    ("base", "rows"),
    [
        ("ppo", ["PPO (start)", "trained rule", "A2C (default)", "A2C (tuned)", "PPO (tuned)"]),
        ("a2c", ["A2C (start)", "trained rule", "A2C (tuned)"]),
    ],
)
def test_closing_table_compares_the_rule_with_its_base(tmp_path, monkeypatch, base, rows):
    stub_populations(monkeypatch)
    results, printed = finished(tmp_path, RESIDUAL.replaced(base=base))
    assert [row["name"] for row in results] == rows
    start, trained = results[:2]
    assert start["gain"][0] == pytest.approx(trained["mean"] - start["mean"], abs=1e-5) and start["gain"][0] > 0
    assert [row["name"] for row in results if row["gain"]] == [row for row in rows if row != "trained rule"]
    assert "the trained rule minus" in printed and "note:" not in printed
    rule, meta_params, _ = load_rule(tmp_path / "run" / "rule.safetensors")
    assert "z of the entropy" in printed and (tmp_path / "run" / "rule.png").read_bytes()[:4] == b"\x89PNG"
    assert rule.settings == RESIDUAL.replaced(base=base).residual and (meta_params["weights"] != 0).all()


def test_run_that_stays_below_its_start_says_so(tmp_path, monkeypatch):
    stub_populations(monkeypatch, WorseOnItsOwn)
    _, printed = finished(tmp_path, RESIDUAL)
    assert "note: on the validation levels the trained rule scores -" in printed
    assert "relative to the PPO (start), so this run shows no gain" in printed


def test_kept_rule_is_the_best_on_validation_levels(tmp_path, monkeypatch):
    stub_populations(monkeypatch, WorseOnItsOwn)
    config = RESIDUAL.replaced(keep="best", validation_every=2, average=0)
    _, printed = finished(tmp_path, config)
    folder = RunFolder(tmp_path / "run")
    scores = {row["generation"]: row["validation_score"] for row in rows(folder) if "validation_score" in row}
    best = max(scores, key=scores.__getitem__)
    assert best == min(scores) and len(scores) > 1
    kept, last = (load_rule(path) for path in (folder.rule_path, folder.best_path))
    np.testing.assert_array_equal(kept[1]["weights"], last[1]["weights"])
    assert kept[2]["generations"] == best + 1 and kept[2]["validation_score"] == pytest.approx(scores[best])
    assert f"the rule that is kept: that of generation {best + 1}, validation score {scores[best]:.3f}" in printed


def test_run_without_a_due_score_keeps_the_last_rule_and_says_so(tmp_path, monkeypatch):
    stub_populations(monkeypatch)
    _, printed = finished(tmp_path, RESIDUAL.replaced(keep="best", validation_every=50))
    assert "the rule that is kept: that of the last generation, since none was scored earlier" in printed
    assert not RunFolder(tmp_path / "run").best_path.exists()


@pytest.mark.parametrize(("score", "shown"), [({}, "None"), ({"validation_score": "high"}, "'high'")])
def test_best_rule_without_a_score_is_refused(tmp_path, monkeypatch, score, shown):
    stub_populations(monkeypatch)
    config = RESIDUAL.replaced(keep="best")
    with RunFolder.create(tmp_path / "run") as folder:
        rule = Residual(config.residual)
        save_rule(folder.best_path, rule, rule.init(jax.random.key(0)), score)
        with pytest.raises(RuleFileError, match=f"best.safetensors: validation_score must be a number, got {shown}"):
            Run(config, Console(quiet=True)).start(folder)


def rows(folder):
    return [json.loads(line) for line in folder.metrics_path.read_text().splitlines()]


def test_run_from_another_residual_rule_shows_the_base_with_its_defaults(tmp_path, monkeypatch):
    stub_populations(monkeypatch)
    settings = RESIDUAL.residual
    weights = {"weights": np.full((len(settings.features), len(settings.outputs)), 0.1, np.float32)}
    save_rule(tmp_path / "start.safetensors", Residual(settings), weights)
    text = StringIO()
    with RunFolder.create(tmp_path / "run") as folder:
        Run(RESIDUAL, Console(file=text, width=120), tmp_path / "start.safetensors").start(folder)
    rows = json.loads((tmp_path / "run" / "results.json").read_text())
    names = ["starting rule", "trained rule", "A2C (default)", "A2C (tuned)", "PPO (default)", "PPO (tuned)"]
    assert [row["name"] for row in rows] == names and rows[0]["gain"][0] > 0
    other = RESIDUAL.replaced(features=("progress", "entropy", "advantage", "done", "reward"))
    with pytest.raises(ValueError, match=r"its rule is base ppo, features .*, but the run's is .*'done', 'reward'"):
        Run(other, Console(quiet=True), tmp_path / "start.safetensors")


@pytest.mark.parametrize(
    ("population", "changes"), [(StubPopulation, {}), (WorseOnItsOwn, {"keep": "best", "validation_every": 2})]
)
def test_resumed_run_is_one_that_was_never_stopped(tmp_path, monkeypatch, population, changes):
    stub_populations(monkeypatch, population)
    config = RESIDUAL.replaced(**changes)
    folders = [tmp_path / name / "rule.safetensors" for name in ("whole", "parts")]
    with RunFolder.create(tmp_path / "whole") as folder:
        Run(config, Console(quiet=True)).start(folder)
    with RunFolder.create(tmp_path / "parts") as folder:
        Run(config.replaced(generations=3), Console(quiet=True)).start(folder)
        Run(config, Console(quiet=True)).resume(folder)
    whole, parts = (load_rule(path)[1]["weights"] for path in folders)
    np.testing.assert_array_equal(whole, parts)
