"""The scripts in examples/ run, at tiny sizes."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZES = {
    "own_world": {"num_updates": 2, "num_workers": 2},
    "own_rule": {"num_updates": 2, "num_levels": 2},
    "own_score": {"num_generations": 2, "num_levels": 2, "num_updates": 2},
    "rule_in_my_loop": {"num_updates": 2, "report_every": 1},
}


def test_every_example_is_run():
    assert set(SIZES) == {path.stem for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", SIZES)
def test_example_runs_and_prints(name, capsys):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.main(**SIZES[name]) is not None
    assert capsys.readouterr().out


def test_examples_stay_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 75, path
