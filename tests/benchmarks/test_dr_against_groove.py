"""The arms of the comparison are runs that `groove train` accepts."""

import pytest

from benchmarks.dr_against_groove import ARMS
from groove.config import EXPERIMENTS
from groove.discovery.ignored_fields import refuse_ignored


@pytest.mark.parametrize("arm", ARMS)
def test_arm_sets_nothing_that_its_curriculum_ignores(arm):
    flags = ARMS[arm].flags
    refuse_ignored(EXPERIMENTS["tiny"].replaced(**flags), flags)
