"""Published experiments are summarised and drawn again from their raw returns."""

import json

import numpy as np

from benchmarks.published_pictures import redraw
from groove.transfer.results import Row, append_results
from groove.transfer.suites import SUITES


def test_an_experiment_is_summarised_and_drawn_again(tmp_path):
    draws = np.random.default_rng(0)
    values, suite = {"mine": 0.9, "ppo": 0.7}, SUITES["bsuite"].label("bsuite")
    rows = [
        Row(suite, name, 1.0, 0, rule, seed, 100 * point, point, point, float(draws.normal(value, 0.05)))
        for rule, value in values.items()
        for name in ("Catch", "DeepSea 8")
        for seed in range(3)
        for point in (1, 2)
    ]
    append_results(tmp_path / "results.csv", rows)
    cost = {"suite": suite, "rule": "mine", "seconds": 2.0, "compile_seconds": 1.0}
    (tmp_path / "timing.jsonl").write_text(json.dumps(cost | {"env_steps": 800, "gradient_steps": 4}) + "\n")
    drawn = redraw(tmp_path)
    names = ("aggregates", "environments", "profiles", "curves", "cvar")
    assert [path.name for path in drawn] == [f"{suite}-{name}.png" for name in names]
    assert sorted(drawn) == sorted((tmp_path / "figures").iterdir()), "no other files are left there"
    found = json.loads((tmp_path / "summary.json").read_text())[suite]
    assert found["rules"]["mine"]["env_steps_per_second"] == 400
    # Only the learned rule is compared with the others.
    assert {rule: set(others) for rule, others in found["probability_of_improvement"].items()} == {"mine": {"ppo"}}


def test_an_experiment_in_another_version_of_its_suites_is_left_as_it_is(tmp_path, capsys):
    append_results(tmp_path / "results.csv", [Row("bsuite@1", "Catch", 1.0, 0, "ppo", 0, 100, 1, 1, 0.5)])
    assert redraw(tmp_path) == [] and [path.name for path in tmp_path.iterdir()] == ["results.csv"]
    assert capsys.readouterr().out == f"{tmp_path}: left as it was recorded, in another version of bsuite@1\n"
