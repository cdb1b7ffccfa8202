"""The settings of a run: each number out of range is named."""

import pytest

from groove.settings import AntagonistSettings, EvolutionSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("population", 3),
        ("population", 0),
        ("sigma", 0.0),
        ("sigma", float("nan")),
        ("es_learning_rate", -1.0),
        ("es_learning_rate_decay", 1.1),
        ("es_learning_rate_decay", 0.0),
        ("es_min_learning_rate", -1e-9),
        ("levels_per_candidate", 0),
    ],
)
def test_evolution_refuses_numbers_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"^EvolutionSettings.{field} must be .*, got {value}$"):
        EvolutionSettings(**{field: value})


@pytest.mark.parametrize(
    ("perturbation", "strategy", "message"),
    [
        ("lowrank", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'lowrank'"),
        ("lowrank:0", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'lowrank:0'"),
        ("low", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'low'"),
        ("lowrank:2", "PGPE", "perturbation lowrank:2 needs the strategy Open_ES, got PGPE"),
    ],
)
def test_evolution_refuses_other_perturbations(perturbation, strategy, message):
    with pytest.raises(ValueError, match=message):
        EvolutionSettings(strategy, perturbation=perturbation)


def test_antagonists_need_a_seed_and_a_cap_above_it():
    with pytest.raises(ValueError, match=r"^AntagonistSettings.antagonist_seeds must be >= 1, got 0$"):
        AntagonistSettings(antagonist_seeds=0)
    with pytest.raises(ValueError, match=r"antagonist_max_seeds must be >= --antagonist-seeds 3, got 2$"):
        AntagonistSettings(antagonist_seeds=3, antagonist_max_seeds=2)
