"""Drawing free cells."""

import jax
import jax.numpy as jnp
import numpy as np

from levels.placement import draw_free_cells


def test_draw_free_cells_is_uniform_over_distinct_free_cells():
    blocked = jnp.array([[True, False, False], [False, True, False]])
    keys = jax.random.split(jax.random.key(0), 2000)
    cells = np.asarray(jax.jit(jax.vmap(lambda key: draw_free_cells(key, blocked, 3)))(keys))
    assert cells.dtype == np.int32
    assert all(len(set(row)) == 3 for row in cells.tolist())
    counts = np.bincount(cells[:, 0], minlength=6)
    assert counts[0] == counts[4] == 0
    # 2000 draws over 4 cells: 500 ± 4 standard errors of 19.4
    assert np.all(np.abs(counts[[1, 2, 3, 5]] - 500) < 78)
