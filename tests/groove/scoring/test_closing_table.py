"""The closing table: numbers worked by hand, a search that finds the best, a baseline that learns."""

import math
from io import StringIO

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from groove.building import build_hyperparameters, build_learner
from groove.config import TrainConfig
from groove.discovery.population import Population
from groove.job.devices import lives_mesh
from groove.scoring.closing_table import (
    TRAINED,
    ClosingScore,
    ClosingTable,
    HandWritten,
    LevelReturns,
    markdown,
    render,
    returns_of,
    score,
    tuned_on,
)
from groove.scoring.heldout import VALIDATION_STREAM, Evaluation, LevelSet, draw_level_set
from groove.scoring.intervals import of_aggregate
from groove.scoring.random_search import TUNING_SEEDS, search_space
from groove.scoring.statistics import iqm
from groove.scoring.units import Units
from levels.registry import generator
from lpg.rules.actor_critic import A2C
from lpg.update_rule import Hyperparameters

DEFAULT = Hyperparameters(jnp.float32(40), jnp.float32(4), jnp.float32(0.5), jnp.float32(0.5), jnp.float32(0.01))
KEYS = jax.random.split(jax.random.key(0), 4)
SOLVED = LevelSet(None, KEYS, np.zeros(4), np.array([1.0, 1.0, 2.0, 4.0]))
UNSOLVED = LevelSet(None, KEYS, None, None)


class KnownEvaluation:
    """An evaluation whose return on each of 4 levels is a function of rule, learning rates and seed."""

    def __init__(self, worth):
        self.rule, self.worth, self.asked = A2C(), worth, []

    def returns(self, meta_params, level_set, hyper, seed=0):
        self.asked.append((level_set, float(hyper.learning_rate), seed))
        return np.full(4, self.worth(meta_params, hyper, seed))

    def random_returns(self, level_set):
        return np.full(4, -3.0)


def lived(*returns, failed=0):
    return LevelReturns(np.array(returns)[None], failed)


def test_score_by_hand():
    row = score("rule", SOLVED, lived([0.0, 1.0, 1.0, 1.0]))
    assert (row.name, row.mean, row.mean_return) == ("rule", 0.4375, 0.75)
    # The IQM is the mean of the middle two; four levels are too few for an interval.
    assert row.iqm == [0.375, None, None] and row.failed == 0
    # Normalised 0, 1, ½, ¼: variance 0.546875 / 3 about their mean.
    assert row.standard_error == pytest.approx(math.sqrt(0.546875 / 3 / 4))


def test_score_of_one_level_has_neither_standard_error_nor_iqm():
    row = score("rule", LevelSet(None, KEYS[:1], np.zeros(1), np.ones(1)), lived([0.5], [1.0], failed=1))
    assert row.mean == 0.75 and math.isnan(row.standard_error) and row.iqm is None and row.failed == 1


def test_score_has_the_iqm_of_all_agents_with_an_interval_over_levels():
    returns = np.random.default_rng(0).normal(size=(5, 20))
    row = score("rule", LevelSet(None, None, None, None), lived(*returns))
    assert row.iqm == of_aggregate(returns[None], iqm, Units.separate(True, 20)) and None not in row.iqm
    levels = returns.mean(axis=0)
    assert row.standard_error == pytest.approx(levels.std(ddof=1) / math.sqrt(20))


def test_failed_agents_count_as_random_play_and_are_counted():
    # Of three agents on each level, the second fails; random play returns 0 on solved levels and −3 on the others.
    for level_set, mean in ((SOLVED, 4 / 3), (UNSOLVED, (2 - 3 + 2) / 3)):
        evaluation = KnownEvaluation(lambda rule, hyper, seed: np.nan if seed == 1 else 2.0)
        found = returns_of(evaluation, (), level_set, DEFAULT, 3)
        assert found.failed == 4 and found.returns.mean() == pytest.approx(mean)
        assert score("rule", level_set, found).mean_return == pytest.approx(mean)


def test_tune_finds_the_best_configuration_on_three_seeds_each():
    best = search_space(A2C(), DEFAULT, 16)[11]
    evaluation = KnownEvaluation(lambda _, hyper, seed: -abs(float(hyper.learning_rate - best.learning_rate)) + seed)
    assert tuned_on(evaluation, SOLVED, DEFAULT, 16) == best
    assert [seed for _, _, seed in evaluation.asked] == [0, 1, 2] * 16 and TUNING_SEEDS == 3
    assert len({rate for _, rate, _ in evaluation.asked}) == 16


def test_tune_counts_all_seeds():
    space = search_space(A2C(), DEFAULT, 3)
    lucky = {float(space[1].learning_rate): [9, 0, 0], float(space[2].learning_rate): [4, 4, 4]}
    evaluation = KnownEvaluation(lambda _, hyper, seed: lucky.get(float(hyper.learning_rate), [0, 0, 0])[seed])
    assert tuned_on(evaluation, SOLVED, DEFAULT, 3) == space[2]


def test_tune_counts_failed_agents_as_random_play():
    # Random play returns 0. Two failures of three outweigh one excellent agent, but not agents worse than random.
    space = search_space(A2C(), DEFAULT, 3)
    returns = {float(space[0].learning_rate): [-1.0] * 3, float(space[1].learning_rate): [0.9, np.nan, np.nan]}

    def best(third):
        table = returns | {float(space[2].learning_rate): [third] * 3}
        evaluation = KnownEvaluation(lambda _, hyper, seed: table[float(hyper.learning_rate)][seed])
        return space.index(tuned_on(evaluation, SOLVED, DEFAULT, 3))

    assert best(0.5) == 2 and best(0.2) == 1 and best(np.nan) == 1


@pytest.mark.parametrize("heldout", [SOLVED, UNSOLVED])
def test_closing_table_tunes_only_on_validation_levels(heldout):
    learned = KnownEvaluation(lambda rule, hyper, seed: rule)
    baseline = KnownEvaluation(lambda _, hyper, seed: float(hyper.learning_rate) / 1000)
    validation = LevelSet(None, KEYS, None, None)
    table = ClosingTable(learned, DEFAULT, {"A2C": HandWritten(baseline, DEFAULT)}, heldout, validation, 5)
    rows = table.scores({"untrained": 0.25, TRAINED: 0.75})
    values = {row.name: row.mean_return for row in rows}
    anchors = {} if heldout is UNSOLVED else {"random policy": 0.0, "optimum": 2.0}
    tuned = max(float(hyper.learning_rate) for hyper in search_space(A2C(), DEFAULT, 5)) / 1000
    learners = {"untrained": 0.25, TRAINED: 0.75, "A2C (default)": 0.04, "A2C (tuned)": tuned}
    assert values == pytest.approx(learners | anchors) and tuned > 0.04
    # 15 evaluations to tune, then five with the default and five with the best settings on the held-out levels.
    assert [asked[0] is validation for asked in baseline.asked] == [True] * 15 + [False] * 10
    assert [seed for _, _, seed in baseline.asked[15:]] == [seed for _, _, seed in learned.asked] == [0, 1, 2, 3, 4] * 2
    assert next(iter(values)) == ("untrained" if heldout is UNSOLVED else "random policy")
    text = StringIO()
    Console(width=80, file=text).print(render(rows, "4 levels"))
    assert all(f" {name} " in text.getvalue() for name in values)
    titles = [title.strip() for title in text.getvalue().splitlines()[2].split("┃")[1:-1]]
    assert titles == (
        ["rule", "IQM of returns [95%]", "return", "± s.e.", "failed"]
        if heldout is UNSOLVED
        else ["rule", "IQM [95%]", "score", "± s.e.", "return", "failed"]
    )
    # Another run of the group scores only its own rule.
    again = {row.name: row.mean_return for row in table.scores({"untrained": 0.25, TRAINED: 0.5})}
    assert again == values | {TRAINED: 0.5} and len(baseline.asked) == 25 and len(learned.asked) == 15


def test_closing_table_measures_gains_of_the_trained_rule_on_the_same_levels():
    spread = np.array([0.0, 0.1, 0.2, 0.3])

    class Uneven(KnownEvaluation):
        def returns(self, meta_params, level_set, hyper, seed=0):
            return super().returns(meta_params, level_set, hyper, seed) * SOLVED.optimum + spread * seed

    learned = Uneven(lambda rule, hyper, seed: rule)
    tuned_alone = {"PPO": HandWritten(KnownEvaluation(lambda *_: 0.5), DEFAULT, shows_default=False)}
    table = ClosingTable(learned, DEFAULT, tuned_alone, SOLVED, UNSOLVED, 1)
    rows = {row.name: row for row in table.scores({"PPO (start)": 0.25, TRAINED: 0.5})}
    assert list(rows) == ["random policy", "PPO (start)", TRAINED, "PPO (tuned)", "optimum"]
    # Differences between levels and seeds are the same in both rows and cancel.
    assert rows["PPO (start)"].gain == [0.25, 0.25, 0.25]
    assert [name for name, row in rows.items() if row.gain is not None] == ["PPO (start)", "PPO (tuned)"]
    assert "| trained rule minus this [95%] |" in markdown(list(rows.values()))
    assert "| +0.250 [+0.250, +0.250] |" in markdown(list(rows.values()))
    text = StringIO()
    Console(width=80, file=text).print(render(list(rows.values()), "4 levels"))
    assert "PPO (start)          +0.250 [+0.250, +0.250]" in text.getvalue()


def test_a2c_learns_small_levels():
    config = TrainConfig.of(levels="small", workers=16, lifetime=(60, 60))
    levels = generator("small")
    level_set = draw_level_set(levels, VALIDATION_STREAM, 8)
    lengths = jnp.full(8, 60)
    level_set = LevelSet(
        level_set.levels.replace(lifetime=lengths), level_set.life_keys, level_set.random, level_set.optimum
    )
    learner = build_learner(config, levels.world, A2C())
    evaluation = Evaluation(Population(learner, lives_mesh(2), 4))
    hyper = build_hyperparameters(config, levels.world)
    row = score("A2C", level_set, returns_of(evaluation, (), level_set, hyper, 1))
    assert 0.3 < row.mean < 1.05


def test_render_calls_returns_that_are_not_normalised_returns():
    rows = [score("rule", UNSOLVED, lived([0.0, 1.0, 1.0, 1.0]))]
    text = StringIO()
    Console(width=80, file=text).print(render(rows, "4 levels"))
    assert "return" in text.getvalue() and "score" not in text.getvalue() and text.getvalue().count("0.750") == 1


def test_markdown_leads_with_the_iqm_and_leaves_out_what_old_files_lack():
    row = ClosingScore("rule", 0.5, 0.01, 0.75, [0.6, 0.55, 0.65], 2)
    lines = ["| rule | IQM [95%] | score | ± s.e. | return | failed |", "|---|---:|---:|---:|---:|---:|"]
    lines += ["| rule | 0.600 [0.550, 0.650] | 0.500 | 0.010 | 0.750 | 2 |"]
    assert markdown([row]) == "\n".join(lines)
    old = ClosingScore("rule", 0.5, 0.01, 0.75)
    assert markdown([old]).splitlines()[::2] == [
        "| rule | score | ± s.e. | return |",
        "| rule | 0.500 | 0.010 | 0.750 |",
    ]
