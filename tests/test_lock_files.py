"""The lock files name every extra that the installed packages ask for."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.lock_files import missing_extras, pins

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock")


def read(lock):
    return (ROOT / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_every_extra_that_an_installed_package_asks_for(lock):
    assert missing_extras(read(lock), distributions()) == []


PINS_WITH_EXTRAS = [
    (lock, f"{name}[{', '.join(sorted(pin.extras))}]")
    for lock in LOCKS
    for name, pin in pins(read(lock)).items()
    if pin.extras
]


@pytest.mark.parametrize("lock, pin", PINS_WITH_EXTRAS)
def test_lock_without_an_extra_is_refused_by_name(lock, pin):
    name = pin.partition("[")[0]
    text = read(lock)
    assert pin in text
    complaints = missing_extras(text.replace(pin, name), distributions())
    assert complaints and all(line.startswith(f"{name} must be pinned as {name}[") for line in complaints)


def test_run_lock_is_part_of_the_test_lock_and_has_no_test_tool():
    run, test = (pins(read(lock)) for lock in LOCKS)
    assert run.items() <= test.items()
    assert not run.keys() & {"pytest", "pytest-cov", "pytest-xdist", "coverage", "hypothesis", "mypy", "ruff"}
