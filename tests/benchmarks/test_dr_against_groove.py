"""The comparison of curricula: runs that `groove train` accepts, and levels drawn for it alone, each set separately."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.dr_against_groove import ARMS, SUITES, suites
from groove.config import EXPERIMENTS
from groove.discovery.ignored_fields import refuse_ignored
from groove.scoring.heldout import HELDOUT_STREAM, LevelSet


@pytest.mark.parametrize("arm", ARMS)
def test_arm_sets_nothing_that_its_curriculum_ignores(arm):
    flags = ARMS[arm].flags
    refuse_ignored(EXPERIMENTS["tiny"].replaced(**flags), flags)


def test_every_set_of_levels_has_a_seed_of_its_own(monkeypatch):
    asked = []

    def draw_level_set(generator, stream, num_levels, seed=0):
        del generator
        asked.append((stream, seed))
        return LevelSet(jnp.zeros(num_levels), jnp.zeros(num_levels), np.zeros(num_levels), np.ones(num_levels))

    monkeypatch.setattr("groove.scoring.heldout.draw_level_set", draw_level_set)
    assert {name: level_set.num_levels for name, level_set in suites().items()} == SUITES
    streams, seeds = zip(*asked, strict=True)
    # Neither the levels of the runs' own closing tables, which have seed 0, nor one draw in two worlds.
    assert set(streams) == {HELDOUT_STREAM} and len(set(seeds) | {0}) == len(asked) + 1 == 14
