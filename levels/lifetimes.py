"""The step budgets of the LPG paper, in updates."""

STEPS_PER_UPDATE = 64 * 20
"""Environment steps per update: 64 workers × 20 steps (LPG, arXiv:2007.08794, appendix)."""


def updates_in(num_steps: int) -> int:
    """Return how many whole updates a budget of environment steps pays for.

    Args:
        num_steps: number of environment steps over all workers, ≥ STEPS_PER_UPDATE.

    Returns:
        The number of updates, ≥ 1.
    """
    return num_steps // STEPS_PER_UPDATE
