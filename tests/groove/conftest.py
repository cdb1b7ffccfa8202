"""Fixtures of several test files."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, in their order."""
    figures, save = [], Figure.savefig

    def keep(self, *arguments, **settings):
        figures.append(self)
        save(self, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
