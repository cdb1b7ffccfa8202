"""The step budgets of the LPG paper, told in updates."""

STEPS_PER_UPDATE = 64 * 20
"""Environment steps of one update: 64 workers × 20 steps (LPG, arXiv:2007.08794, appendix)."""


def updates_in(num_steps: int) -> int:
    """Whole updates that a budget of environment steps pays for.

    Args:
        num_steps: environment steps over all workers, ≥ STEPS_PER_UPDATE.

    Returns:
        Updates, ≥ 1.
    """
    return num_steps // STEPS_PER_UPDATE
