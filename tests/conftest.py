"""Configures JAX before any test module imports it, and checks the shapes of public functions."""

import os
from importlib.metadata import version
from pathlib import Path

import jaxtyping

import tests.shape_checks

ROOT = Path(__file__).parent.parent

# The variables also reach commands that tests start in separate processes. Programs that run for milliseconds
# need neither optimisation nor XLA's newer code generator, which take half of their compile time.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0"
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    # XLA aborts the process at an unknown flag; jaxlib 0.11 has only the newer code generator.
    QUICK_TO_COMPILE += " --xla_cpu_use_fusion_emitters=false"
given = os.environ.get("XLA_FLAGS", "")
if QUICK_TO_COMPILE not in given:  # as in a worker, whose flags are those of the process that started it
    os.environ["XLA_FLAGS"] = f"{given} {QUICK_TO_COMPILE}"
jaxtyping.install_import_hook(["levels", "lpg", "ued"], f"{tests.shape_checks.__name__}.check_calls")

import jax  # noqa: E402

from groove.job.devices import configure  # noqa: E402

configure(num_devices=2)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

import pytest  # noqa: E402

from groove.commands.main import main  # noqa: E402

MOST_MAPS = 40_000
"""Memory maps after which compiled programs are dropped; above the kernel's limit of 65,530 the process would crash."""


@pytest.fixture(autouse=True, scope="module")
def bounded_programs():
    """Drop all compiled programs when there are many; others are shared by the modules of a process."""
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


def pytest_collection_modifyitems(items):
    """Run the files with slow tests first, so that no worker is left alone with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def in_this_process(tmp_path, monkeypatch):
    """Commands with stubbed populations in this process; call with arguments."""
    from tests.smallest_run import settle_devices, stub_populations

    settle_devices(monkeypatch)
    stub_populations(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return lambda *arguments: main([str(argument) for argument in arguments])
