"""The bake-off: its verdicts on scores whose quality is known, and its command."""

import json

import jax
import numpy as np
import pytest

import groove.commands.bakeoff
from groove.building import build_hyperparameters, build_learner, build_measurement, build_population, build_rule
from groove.commands.main import main
from groove.config import TrainConfig
from groove.job.devices import lives_mesh
from groove.scoring.bakeoff import Bakeoff, Half, Verdict, antagonist_counts, spearman
from levels.generators.distributions import DISTRIBUTIONS
from levels.generators.with_lifetime import WithLifetime
from levels.registry import generator
from lpg.value_losses import ValueProbe
from ued.priorities import Priorities
from ued.scores import SCORES
from ued.settings import ReplaySettings

NO_LEVELS = Bakeoff(generator=None, population=None, hyper=None, measurement=None)


def halves_of(first, second, first_regret, second_regret):
    return [Half(first, first, second_regret), Half(second, second, first_regret)]


@pytest.fixture(scope="module")
def regrets():
    """True regret on 64 levels and two noisy measurements of it."""
    draws = np.random.default_rng(0)
    truth = draws.normal(size=64)
    return truth, truth + 0.1 * draws.normal(size=64), truth + 0.1 * draws.normal(size=64)


def test_verdict_on_a_perfect_score(regrets):
    truth, first, second = regrets
    verdict = NO_LEVELS.verdict("perfect", halves_of(truth, truth, first, second), 1.5)
    assert verdict.retest_correlation == pytest.approx(1.0)
    assert verdict.regret_correlation > 0.95
    assert verdict.regret_gain > 1.0 and verdict.regret_gain > 3 * verdict.regret_gain_error
    assert verdict.seconds == 1.5


def test_verdict_on_noise(regrets):
    _, first, second = regrets
    draws = np.random.default_rng(1)
    noise = draws.normal(size=(2, 64))
    verdict = NO_LEVELS.verdict("noise", halves_of(noise[0], noise[1], first, second), 0.0)
    for name in ("regret_correlation", "retest_correlation", "regret_gain"):
        value, error = getattr(verdict, name), getattr(verdict, f"{name}_error")
        assert abs(value) < 3 * error


def test_verdict_on_the_opposite_of_regret_is_negative(regrets):
    truth, first, second = regrets
    verdict = NO_LEVELS.verdict("opposite", halves_of(-truth, -truth, first, second), 0.0)
    assert verdict.regret_correlation < -0.95 and verdict.regret_gain < -1.0


def test_levels_are_replayed_by_what_ranks_them_and_correlated_by_their_score(regrets):
    truth, first, second = regrets
    halves = [Half(truth, -truth, second), Half(truth, -truth, first)]
    verdict = NO_LEVELS.verdict("against itself", halves, 0.0)
    assert verdict.regret_correlation > 0.95 and verdict.regret_gain < -1.0


def test_verdict_compares_a_score_with_the_regret_of_other_agents():
    # Score and regret share their noise within a measurement, but the two measurements have nothing in common.
    draws = np.random.default_rng(2)
    noise = draws.normal(size=(2, 64))
    verdict = NO_LEVELS.verdict("shared", halves_of(noise[0], noise[1], noise[0], noise[1]), 0.0)
    assert abs(verdict.regret_correlation) < 0.3


def test_verdict_on_a_constant_score_has_no_correlation(regrets):
    _, first, second = regrets
    verdict = NO_LEVELS.verdict("uniform", halves_of(np.zeros(64), np.zeros(64), first, second), 0.0)
    assert np.isnan(verdict.regret_correlation) and np.isnan(verdict.retest_correlation)
    assert abs(verdict.regret_gain) < 3 * verdict.regret_gain_error


def test_levels_without_a_score_rank_lowest():
    assert spearman(np.array([-np.inf, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])) == pytest.approx(1.0)


def test_antagonist_counts_double_up_to_the_maximum():
    assert [antagonist_counts(most) for most in (1, 2, 3, 4, 7, 8)] == [
        [1],
        [1, 2],
        [1, 2],
        [1, 2, 4],
        [1, 2, 4],
        [1, 2, 4, 8],
    ]


def contest(levels):
    """A bake-off of the smallest rule, whose agents live two updates with two workers."""
    config = TrainConfig.of(hidden_size=4, embedding_size=2, prediction_size=2, workers=2, rollout_length=20)
    mesh, learner = lives_mesh(1), build_learner(config, levels.world, build_rule(config))
    return Bakeoff(
        generator=levels,
        population=build_population(config, mesh, learner, ValueProbe(100)),
        hyper=build_hyperparameters(config, levels.world),
        measurement=build_measurement(config, mesh, levels.world, frozenset({"antagonist", "random"})),
        priorities=Priorities(ReplaySettings(score_uncertainty="lower_bound")),
    ), learner.rule.init(jax.random.key(0))


def test_bakeoff_judges_every_score(monkeypatch):
    monkeypatch.setattr("groove.scoring.bakeoff.NUM_RESAMPLES", 20)
    bakeoff, meta_params = contest(WithLifetime(DISTRIBUTIONS["small"], 2, 2))
    judged, verdict_of = {}, Bakeoff.verdict

    def verdict(self, name, halves, seconds):
        judged[name] = halves
        return verdict_of(self, name, halves, seconds)

    monkeypatch.setattr(Bakeoff, "verdict", verdict)
    verdicts = {verdict.score: verdict for verdict in bakeoff.run(meta_params, num_levels=16, seed=0)}
    regret = "algorithmic_regret"
    assert set(verdicts) == set(SCORES) - {regret} | {f"{regret}, 1 antagonists", f"{regret}, 2 antagonists"}
    # After two updates agents are almost random, so the regret of a level is almost all there is to gain on it.
    assert verdicts["exact_regret"].regret_correlation > 0.8
    assert verdicts["exact_regret"].regret_correlation == verdicts["exact_regret"].retest_correlation
    assert np.isnan(verdicts["uniform"].regret_correlation)
    # As in a run with this --score-uncertainty: a score ranks lower, the more its antagonists differ.
    for name, halves in judged.items():
        less = [half.score - half.ranked for half in halves]
        assert np.all(less[0] > 0) if name == f"{regret}, 2 antagonists" else not np.any(np.nan_to_num(less))
    assert all(np.isfinite(verdict.regret_gain) and verdict.seconds >= 0 for verdict in verdicts.values())


@pytest.mark.parametrize(
    ("levels", "num_levels", "message"),
    [
        ("small", 7, "--num-levels must be >= 8, got 7"),
        ("random_small", 8, "--levels must be a grid whose objects the level places"),
    ],
)
def test_bakeoff_refuses_pools_it_cannot_judge(levels, num_levels, message):
    bakeoff, meta_params = contest(generator(levels))
    with pytest.raises(ValueError, match=message):
        bakeoff.run(meta_params, num_levels, seed=0)


@pytest.fixture
def stub(monkeypatch):
    rows = [Verdict("uniform", float("nan"), float("nan"), float("nan"), float("nan"), 0.0, 0.1, 0.25)]
    monkeypatch.setattr(groove.commands.bakeoff, "_verdicts", lambda flags: rows)


def test_bakeoff_writes_json_without_nan(stub, tmp_path, capsys):
    out = tmp_path / "new" / "bakeoff.json"
    assert main(["bakeoff", "rule.safetensors", "-n", "16", "--levels", "small", "--out", str(out)]) == 0
    content = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert content["levels"] == "small" and content["num_levels"] == 16
    assert content["verdicts"][0]["regret_correlation"] is None and content["verdicts"][0]["seconds"] == 0.25
    assert "uniform" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "--seed must be in 0..4294967295, got -1"),
        (["--antagonists", "2"], "unknown flag --antagonists"),
    ],
)
def test_bakeoff_refuses_bad_flags_in_one_line(stub, capsys, arguments, message):
    assert main(["bakeoff", "rule.safetensors", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_bakeoff_refuses_a_file_that_is_not_a_rule(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(groove.commands.bakeoff, "configure", lambda num_devices: None)
    path = tmp_path / "rule.safetensors"
    path.write_text("no rule")
    assert main(["bakeoff", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error and error.count("\n") == 1
