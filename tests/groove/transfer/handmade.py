"""Hand-made environments, results and scores, without any agents."""

import numpy as np

from groove.scoring.units import Units
from groove.transfer.environments import Environment
from groove.transfer.results import Row
from groove.transfer.scores import SuiteScores


def environment(name="e", lifetime=1.0, random=None, optimum=None, every_level=False, num_levels=2):
    """An environment whose world is never used."""
    anchors = {} if optimum is None else {"random": np.array(random, float), "optimum": np.array(optimum, float)}
    levels = np.zeros((num_levels, 1))
    shape = {"workers": 4, "rollout_length": 2}
    return Environment(
        "own", name, None, levels, **shape, every_level=every_level, num_updates=10, lifetime=lifetime, **anchors
    )


def rows(rule, values, name="e", lifetime=1.0, levels=None):
    """Rows of runs, `values` [seeds, points]; seed s on level s mod 2 or on `levels`[s]."""
    made = []
    for seed, curve in enumerate(values):
        level = seed % 2 if levels is None else levels[seed]
        for point, value in enumerate(curve, start=1):
            updates = 10 * point // len(curve)
            made.append(Row("own", name, lifetime, level, rule, seed, 8 * updates, updates, updates, float(value)))
    return made


NUM_SEEDS, NUM_POINTS = 4, 3
TASKS = [(name, lifetime, -1) for lifetime in (0.5, 1.0) for name in ("first", "second", "third")]


def scores(rules=("rule", "ppo"), tasks=TASKS, exact=False):
    """Scores around 0.5 for the first rule and 0.2 higher for each rule after it."""
    draws = np.random.default_rng(0)
    shape = (1, NUM_SEEDS, len(tasks), NUM_POINTS)
    curves = {rule: draws.normal(0.5 + 0.2 * n, 0.1, shape) for n, rule in enumerate(rules)}
    return SuiteScores(
        suite="own",
        tasks=list(tasks),
        curves=curves,
        returns={rule: 10 * x[..., -1] for rule, x in curves.items()},
        failed={rule: np.zeros(shape[:-1], bool) for rule in rules},
        steps={rule: np.tile([20.0, 40.0, 80.0], (len(tasks), 1)) for rule in rules},
        units=Units.separate(any(task[2] >= 0 for task in tasks), len(tasks)),
        excluded=[],
        exact=exact,
    )


def timing(rule, seconds=2.0, env_steps=1000):
    """A row of timing.jsonl."""
    return {
        "suite": "own",
        "environment": "first",
        "lifetime": 1.0,
        "rule": rule,
        "lives": 2,
        "env_steps": env_steps,
        "gradient_steps": 40,
        "seconds": seconds,
        "compile_seconds": 0.5,
    }
