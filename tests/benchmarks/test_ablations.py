"""Ablations: commands that `groove train` accepts, and rows by hand."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import ablations
from benchmarks.ablations import DEFAULT, FULL, arms, by_hand, config_of, discover, main, path_of, summarise, table
from groove.discovery.ignored_fields import refuse_ignored
from groove.scoring.intervals import of_mean
from groove.scoring.units import Units
from lpg.rules.residual import Residual
from lpg.rules.residual_functions import no_steps


def test_arms_leave_out_each_feature_and_output_in_turn():
    whole = config_of("ppo", {}).residual
    assert len(arms()) == 1 + len(whole.features) + len(whole.outputs)
    for arm, fields in list(arms().items())[1:]:
        config = config_of("ppo", fields)
        refuse_ignored(config, ["base", *fields])
        ((name, kept),) = fields.items()
        (left_out,) = set(getattr(whole, name)) - set(kept)
        assert arm == f"without the {name.removesuffix('s')} {left_out}" and config.residual.base == "ppo"
    assert len({path_of(ablations.Path("x"), arm) for arm in arms()}) == len(arms())


def test_weights_by_hand_change_what_they_say():
    settings = config_of("ppo", {}).residual
    rule = Residual(settings)
    steps = no_steps(settings)
    steps = steps.replace(features=steps.features.at[..., settings.features.index("progress")].set(0.5))
    weights = {name: jnp.asarray(x) for name, x in by_hand(settings, 0.4, 1.0).items()}
    factors = rule.bounded(rule.outputs(weights, steps).outputs)
    np.testing.assert_allclose(factors["advantage"], 0.2, rtol=1e-6)
    np.testing.assert_allclose(factors["entropy"], -1.5, rtol=1e-6)
    assert not by_hand(settings, 0.0, 0.0)["weights"].any()


def test_runs_are_begun_resumed_and_skipped(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("benchmarks.ablations.subprocess.run", lambda command, check: asked.append(command[3:]))
    fields = {"outputs": ("entropy",)}
    discover(tmp_path, "a2c", fields, [0, 1])
    config = {"base": "a2c", "outputs": ["entropy"]}
    (tmp_path / "group.json").write_text(json.dumps({"seeds": [0, 1], "config": config}))
    discover(tmp_path, "a2c", fields, [0, 1])
    (tmp_path / "results.json").write_text("[]")
    discover(tmp_path, "a2c", fields, [0, 1])
    begin = ["train", "residual", "--base", "a2c", "--run", str(tmp_path), "--tune-configurations", "1"]
    assert asked == [[*begin, "--seeds", "0", "1", "--outputs", "entropy"], ["resume", str(tmp_path)]]
    for seeds, base in (([0, 1, 2], "a2c"), ([0, 1], "ppo")):
        with pytest.raises(SystemExit, match="not runs of this comparison; choose another --runs"):
            discover(tmp_path, base, fields, seeds)


def test_rows_by_hand():
    draws = np.random.default_rng(0)
    scores = {DEFAULT: draws.normal(0.5, 0.1, (1, 2, 20))}
    scores |= {arm: draws.normal(0.6 - 0.01 * n, 0.1, (5, 2, 20)) for n, arm in enumerate(arms())}
    rows = {row["arm"]: row for row in summarise(scores)}
    arm = list(arms())[3]
    units = Units.separate(drawn=True, num_tasks=20)
    assert list(rows[arm]["minus_full"].values()) == of_mean(scores[arm] - scores[FULL], units)
    assert list(rows[arm]["minus_base"].values()) == of_mean(scores[arm] - scores[DEFAULT], units)
    # The two worst of twenty levels of each rule, chosen on either agent and scored on the other.
    worst = [side[1 - k][np.argsort(side[k])[:2]].mean() for side in scores[arm] for k in (0, 1)]
    assert rows[arm]["worst_tenth"] == pytest.approx(np.mean(worst), abs=1e-6)
    lines = table(list(rows.values()))
    assert len(lines) == len(rows) + 1 and lines[1][3] == "" and lines[2][4] == ""


def test_one_meta_seed_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--meta-seeds", "1"])
    assert "--meta-seeds must be >= 2, got 1" in capsys.readouterr().err
