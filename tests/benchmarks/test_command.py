"""The command: its errors, what it writes, and that every section calls existing functions."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as command
import benchmarks.sections
from benchmarks.own_process import MeasurementFailed, in_own_process
from benchmarks.readings import read_bench, write_bench
from benchmarks.sections import SECTIONS
from benchmarks.settings import OPTIONS
from tests.benchmarks.handmade import MACHINE, bench, reading

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def stubbed(monkeypatch):
    """Stub sections that need neither time nor processes."""
    monkeypatch.setattr(command, "in_own_process", lambda function, cache: MACHINE)
    for name in SECTIONS:
        monkeypatch.setitem(SECTIONS, name, lambda machine, cache, name=name: [[reading(name, [2.0], section=name)]])


def _error(arguments):
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_all_sections_are_written_in_order(tmp_path, stubbed, capsys):
    command.main(["--out", str(tmp_path / "out")])
    assert [row.section for row in read_bench(tmp_path / "out" / "bench.json").readings] == list(SECTIONS)
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith("==> ")]
    assert titles == [f"==> {name}" for name in SECTIONS]


def test_only_the_sections_asked_for_are_measured_and_compared(tmp_path, stubbed, capsys):
    old = bench(reading("solver", [8.0], section="solver"), reading("worlds", [1.0], section="worlds"))
    path = tmp_path / "bench.json"
    write_bench(path, old)
    # The old file is the one that is replaced.
    command.main(["--only", "solver", "--out", str(tmp_path), "--compare", str(path)])
    assert [row.section for row in read_bench(path).readings] == ["solver"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("solver / solver / generation ")] == ["0.250"]
    assert "section only in old: worlds" in lines


def test_mistakes_are_reported_in_one_line_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda names, folder: pytest.fail("measured"))
    known = ", ".join(SECTIONS)
    assert _error(["--only", "worlds", "speed"]) == f"unknown section 'speed'; known: {known}"
    missing, foreign = tmp_path / "missing.json", tmp_path / "foreign.json"
    foreign.write_text(json.dumps({"seconds": 1}))
    assert _error(["--compare", str(missing)]) == f"{missing}: No such file or directory"
    assert _error(["--compare", str(foreign)]).startswith(f"{foreign}: not a file of this benchmark")


def test_folder_that_cannot_be_made_is_reported_in_one_line(tmp_path, stubbed):
    (tmp_path / "file").write_text("")
    assert _error(["--out", str(tmp_path / "file")]).startswith(f"{tmp_path / 'file'}: ")


def test_failed_process_is_reported_in_one_line(tmp_path, stubbed, monkeypatch):
    def failing(machine, cache):
        raise MeasurementFailed("benchmarks.solver:measure ended with status 1: {}")
        yield

    monkeypatch.setitem(SECTIONS, "solver", failing)
    assert _error(["--out", str(tmp_path)]) == "benchmarks.solver:measure ended with status 1: {}"
    # Earlier measurements are kept.
    assert [row.section for row in read_bench(tmp_path / "bench.json").readings] == list(SECTIONS)[:3]


def test_command_itself_loads_no_jax():
    # It would hold a share of an accelerator's memory while others measure.
    code = "import sys, benchmarks.__main__, benchmarks.pictures; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_own_process_returns_what_a_function_returns(tmp_path):
    found = in_own_process("benchmarks.machine:facts", str(tmp_path))
    assert set(found) == set(MACHINE)
    assert found["backend"] == "cpu"


def test_own_process_reports_a_failure(tmp_path, capfd):
    with pytest.raises(MeasurementFailed, match="benchmarks.own_process:missing ended with status 1"):
        in_own_process("benchmarks.own_process:missing", str(tmp_path))
    assert "missing" in capfd.readouterr().err


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_sections_call_functions_that_exist_with_their_arguments(monkeypatch, backend):
    asked = []

    def note(function, cache, **arguments):
        module, name = function.split(":")
        inspect.signature(getattr(importlib.import_module(module), name)).bind(**arguments)
        asked.append((function, json.loads(json.dumps(arguments))))
        return [reading(function, [1.0])]

    monkeypatch.setattr(benchmarks.sections, "readings_of", note)
    for section in SECTIONS.values():
        assert list(section(MACHINE | {"backend": backend, "devices": 4}, "cache"))
    speeds = [arguments["name"] for function, arguments in asked if function == "benchmarks.generation:speed"]
    assert speeds == ["A", "B", *(["paper"] if backend == "gpu" else []), *OPTIONS]
    axes = {arguments["axis"]: arguments for function, arguments in asked if function == "benchmarks.scaling:measure"}
    assert axes["devices"]["values"] == [1, 2, 4]
    assert axes["population"]["growth"] == [64, 512]
