"""Settings of the levels that a rule is discovered on. Imports no JAX."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldSettings:
    """The levels that the rule is discovered on."""

    levels: str = "small"
    """Level distribution, named world or maze to discover the rule on (see `groove levels`), or FILE.py:NAME of
    a generator of your own."""
    solvable: bool = False
    """Redraw training levels in which no object of positive reward is reachable."""
    lifetime: tuple[int, int] | None = None
    """Lifetime in updates, log-uniform between two bounds; by default the distribution's own."""

    def __post_init__(self) -> None:
        if self.lifetime is not None and not 1 <= self.lifetime[0] <= self.lifetime[1] < 2**31:
            low, high = self.lifetime
            raise ValueError(f"WorldSettings.lifetime must be two numbers 1 <= LOW <= HIGH < 2**31, got {low} {high}")
