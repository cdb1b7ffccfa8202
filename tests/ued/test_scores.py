"""Scores of levels: numbers worked by hand, and -inf where a level cannot be scored."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.ued.tiny import outcome_of
from ued.curriculum import unknown_extras
from ued.scores import SCORES

NAN, INF = float("nan"), float("inf")

MEASURED = {"antagonist": "antagonist_mean", "optimum": "optimal_return", "random": "random_return"}
"""The field of the extras that holds what a score needs."""


def extras_of(count, **fields):
    return unknown_extras(count).replace(**{name: jnp.asarray(values, jnp.float32) for name, values in fields.items()})


def assert_scores(name, outcome, expected):
    np.testing.assert_allclose(SCORES[name](outcome), np.asarray(expected, np.float32), rtol=1e-6)


def test_algorithmic_regret_is_the_antagonists_lead():
    extras = extras_of(3, antagonist_mean=[1.0, 0.25, -1.0])
    assert_scores("algorithmic_regret", outcome_of([0.5, 0.75, -3.0], extras=extras), [0.5, -0.5, 2.0])


def test_exact_regret_is_the_optimums_lead():
    extras = extras_of(2, optimal_return=[1.0, -1.0], antagonist_mean=[9.0, 9.0])
    assert_scores("exact_regret", outcome_of([0.25, -1.5], extras=extras), [0.75, 0.5])


def test_value_losses_are_passed_on():
    outcome = outcome_of(
        [0.0, 0.0],
        positive_value_loss=jnp.asarray([0.5, NAN]),
        absolute_value_loss=jnp.asarray([1.5, NAN]),
        mean_value=jnp.asarray([0.0, 0.0]),
    )
    assert_scores("positive_value_loss", outcome, [0.5, -INF])
    assert_scores("l1_value_loss", outcome, [1.5, -INF])


def test_max_monte_carlo_is_the_best_returns_lead_over_the_values():
    # Trap: with a best return that starts at 0, a level with only negative returns would score 5 and 1.
    extras = extras_of(3, best_return=[-3.0, 2.0, -INF])
    outcome = outcome_of([0.0, 0.0, 0.0], extras=extras, mean_value=jnp.asarray([-5.0, 2.5, -1.0]))
    assert_scores("max_monte_carlo", outcome, [2.0, -0.5, -INF])


def test_best_return_is_unknown_before_the_first_episode():
    np.testing.assert_array_equal(unknown_extras(2).best_return, -INF)


def test_learnability_is_the_variance_of_success():
    # The midpoints of random and best return are 1, −2 and 0; an episode on the midpoint is not a success.
    extras = extras_of(3, random_return=[0.0, -4.0, 0.0], best_return=[2.0, 0.0, 0.0])
    episodes = jnp.asarray([[0.0, 1.0, 2.0, 1.5], [-3.0, -3.0, -1.0, -3.0], [0.0, 0.0, 0.0, 0.0]])
    assert_scores("learnability", outcome_of([0.0] * 3, extras=extras, episode_returns=episodes), [0.25, 0.1875, 0.0])


def test_learnability_counts_only_finished_episodes():
    extras = extras_of(3, random_return=[0.0, 0.0, NAN], best_return=[2.0, 2.0, 2.0])
    episodes = jnp.asarray([[NAN, 2.0, 0.0, NAN], [NAN] * 4, [2.0, 0.0, 2.0, 0.0]])
    assert_scores("learnability", outcome_of([0.0] * 3, extras=extras, episode_returns=episodes), [0.25, -INF, -INF])


def test_generalised_learnability_by_hand():
    # Normalised, the agents' returns are 0 and 1, ½ and ½, −½ and ½: means ½, ½, 0; deviations √½, 0, √½.
    extras = extras_of(3, random_return=[0.0, -1.0, 4.0], best_return=[2.0, 1.0, 8.0])
    agents = jnp.asarray([[0.0, 2.0], [0.0, 0.0], [2.0, 6.0]])
    outcome = outcome_of([0.0] * 3, extras=extras, agent_returns=agents)
    # √½ / √2 = ½. Of the kept levels, μ = ½ and σ = ¼: the last level is two of them away.
    kept = outcome.replace(kept_returns=jnp.asarray([0.25, 0.75, NAN]))
    assert_scores("generalised_learnability", kept, [0.5, 0.0, 0.5 * np.exp(-2)])
    # Without kept levels, μ and σ are those of the batch, ⅓ and √(1⁄18).
    near, far = (np.exp(-((1 / 6) ** 2) * 9), np.exp(-((1 / 3) ** 2) * 9))
    for few in (None, jnp.asarray([NAN, 0.25])):
        assert_scores("generalised_learnability", outcome.replace(kept_returns=few), [near / 2, 0.0, far / 2])


def test_generalised_learnability_is_finite_or_the_lowest():
    extras = extras_of(4, random_return=[0.0, NAN, 1.0, 0.0], best_return=[1.0, 1.0, 1.0, 1.0])
    agents = jnp.asarray([[0.0, 1.0, NAN], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.5, NAN, NAN]])
    outcome = outcome_of([0.0] * 4, extras=extras, agent_returns=agents)
    # Trap: a deviation of 0 over the kept levels. A random return that is not known, or a single sound agent, tells
    # nothing; where no episode is better than random actions, all are alike.
    outcome = outcome.replace(kept_returns=jnp.asarray([0.5, 0.5]))
    assert_scores("generalised_learnability", outcome, [0.5, -INF, 0.0, -INF])
    assert_scores("generalised_learnability", outcome.replace(kept_returns=jnp.zeros(2)), [0, -INF, 0, -INF])


def test_uniform_is_the_same_for_all():
    assert_scores("uniform", outcome_of([1.0, NAN, -5.0]), [0.0, 0.0, 0.0])


@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_a_score_that_is_not_finite_is_the_lowest(odd):
    extras = extras_of(2, antagonist_mean=[1.0, 1.0])
    assert_scores("algorithmic_regret", outcome_of([odd, 0.0], extras=extras), [-INF, 1.0])


def measured_for(needs):
    """Build an outcome of 64 levels with exactly these quantities known."""
    random = np.random.default_rng(0)

    def draws():
        return jnp.asarray(random.normal(size=64), jnp.float32)

    extras = extras_of(64, **{MEASURED[need]: draws() for need in needs if need in MEASURED}, best_return=3 + draws())
    values = {"mean_value": draws(), "positive_value_loss": abs(draws()), "absolute_value_loss": abs(draws())}
    episodes = jnp.asarray(random.normal(size=(64, 5)), jnp.float32)
    given = values if "values" in needs else {}
    agents = jnp.asarray(random.normal(size=(64, 3)), jnp.float32)
    return outcome_of(draws(), extras=extras, episode_returns=episodes, agent_returns=agents, **given)


@pytest.mark.parametrize("name", SCORES)
def test_score_needs_what_it_says_and_no_more(name):
    score = SCORES[name]
    found = np.asarray(score(measured_for(score.needs)))
    assert found.shape == (64,) and np.all(np.isfinite(found))
    assert not score.non_negative or found.min() >= 0
    if name == "uniform":
        assert not score.needs
    elif score.needs == {"values"}:
        with pytest.raises(ValueError, match=r"^Outcome\.\w+ must be measured for this score, got None$"):
            score(measured_for({"antagonist", "optimum", "random"}))
    else:
        assert np.all(np.isneginf(score(measured_for({"antagonist", "optimum", "random", "values"} - score.needs))))


def test_scores_that_can_be_negative_say_so():
    for name in ("algorithmic_regret", "exact_regret", "max_monte_carlo"):
        assert not SCORES[name].non_negative
