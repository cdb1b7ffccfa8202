"""Published experiments are summarised and drawn again from their raw returns."""

import json

import numpy as np

from benchmarks.published_pictures import redraw
from groove.transfer.results import Row, append_results


def test_an_experiment_is_summarised_and_drawn_again(tmp_path):
    draws = np.random.default_rng(0)
    values = {"mine": 0.9, "ppo": 0.7}
    rows = [
        Row("bsuite", name, 1.0, 0, rule, seed, 100 * point, point, point, float(draws.normal(value, 0.05)))
        for rule, value in values.items()
        for name in ("Catch", "DeepSea 8")
        for seed in range(3)
        for point in (1, 2)
    ]
    append_results(tmp_path / "results.csv", rows)
    cost = {"suite": "bsuite", "rule": "mine", "seconds": 2.0, "compile_seconds": 1.0}
    (tmp_path / "timing.jsonl").write_text(json.dumps(cost | {"env_steps": 800, "gradient_steps": 4}) + "\n")
    drawn = redraw(tmp_path)
    names = ("aggregates", "environments", "profiles", "curves", "cvar")
    assert [path.name for path in drawn] == [f"bsuite-{name}.png" for name in names]
    assert sorted(drawn) == sorted((tmp_path / "figures").iterdir()), "no other files are left there"
    found = json.loads((tmp_path / "summary.json").read_text())["bsuite"]
    assert found["rules"]["mine"]["env_steps_per_second"] == 400
    # Only the learned rule is compared with the others.
    assert {rule: set(others) for rule, others in found["probability_of_improvement"].items()} == {"mine": {"ppo"}}
