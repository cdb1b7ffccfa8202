"""The four packages' catalogues: every name is there, nothing is loaded early, and the use they show runs."""

import ast
import importlib
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.smallest_run import stub_populations

ROOT = Path(__file__).parent.parent
PACKAGES = ("levels", "lpg", "ued", "groove")
CATALOGUES = {
    "levels": "Level World LevelGenerator GymnaxWorld TabularGrid RandomGrid generator GENERATORS Solvable "
    "WithLifetime MUTATORS load_level save_level optimal_policy optimal_return random_return policy_return "
    "render_text render_rgb",
    "lpg": "Learner Agent Hyperparameters Optimizer UpdateRule Rollout Outputs Progress LPG A2C REINFORCE PPO DPO "
    "Residual BASELINES Table Dense network_for collect episode_returns generalised_advantage load_rule save_rule "
    "RuleSettings ResidualSettings",
    "ued": "Curriculum Batch Outcome Extras DomainRandomization PrioritizedLevelReplay LearnabilitySampling "
    "Priorities LevelBuffer Score SCORES ReplaySettings",
    "groove": "TrainConfig EXPERIMENTS Run MetaTraining Evolution Population SUITES",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_catalogue_has_every_name(package):
    module = importlib.import_module(package)
    assert set(module.__all__) == set(CATALOGUES[package].split())
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(module, "no_such_name")  # noqa: B009


def test_names_load_on_first_use():
    code = f"import sys, {', '.join(PACKAGES)}; groove.EXPERIMENTS; print('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "False\n"


def shown_use(package):
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")), clean=False)
    return textwrap.dedent(docstring.partition("::\n\n")[2])


def test_readme_shows_the_use_of_lpg():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert textwrap.dedent(shown_use("lpg")).strip() in [block.strip() for block in blocks]


@pytest.mark.parametrize("package", PACKAGES)
def test_shown_use_runs(package, tmp_path, monkeypatch, capsys):
    code = shown_use(package)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(tmp_path)
    if package == "groove":
        stub_populations(monkeypatch)
    exec(compile(code, f"{package}.__doc__", "exec"), {})
    output = capsys.readouterr().out
    assert output
    if package == "lpg":
        untrained, trained, optimum = map(float, re.findall(r"\d\.\d\d", output))
        assert untrained < 0.5 * optimum < 0.9 * optimum < trained < 1.1 * optimum
