"""Recurrent work counted by hand, and checks that the timed programs do that work."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from benchmarks.floors import RecurrentWork, products, triad
from benchmarks.settings import A, B
from groove.config import TrainConfig
from groove.job.devices import lives_mesh

WORK = RecurrentWork(candidates=4, lives=8, workers=3, hidden_size=2, gates=3, num_steps=5, num_devices=2, chunk=2)
SHARED = replace(WORK, shared=True)


def test_flops_of_a_small_generation():
    # A state of 2 times a kernel of 2 × 6 is 12 multiplications and as many additions; 24 states, 5 steps.
    assert WORK.flops == 24 * 24 * 5


def test_traffic_of_a_small_generation():
    # A kernel is 12 floats, 48 bytes; 24 states of 8 bytes are read and written. Separate: 4 kernels per step.
    assert WORK.traffic == 5 * (4 * 48 + 2 * 24 * 8)
    # Shared: two chunks on each of two devices each read the one kernel.
    assert WORK.num_chunks == 2
    assert SHARED.traffic == 5 * (2 * 2 * 48 + 2 * 24 * 8)


def test_work_of_the_settings():
    work = RecurrentWork.of(B, num_devices=2, chunk_size=64)
    assert (work.lives, work.chunk, work.num_chunks, work.num_steps) == (4, 2, 1, 5000)
    # 2 · 4 candidates · 64 workers · 256 · 768 · 250 updates · 20 steps.
    assert work.flops == 503_316_480_000
    assert work.kernel_bytes == 256 * 768 * 4
    assert RecurrentWork.of(A, num_devices=1, chunk_size=6).num_chunks == 3
    assert RecurrentWork.of(A, num_devices=2, chunk_size=None).chunk == 8


def test_work_of_low_rank_candidates_is_shared():
    assert RecurrentWork.of(B.replaced(perturbation="lowrank:1"), 2, None).shared
    assert not RecurrentWork.of(B, 2, None).shared


def test_work_follows_the_config():
    config = TrainConfig.of(
        population=6, levels_per_candidate=2, cell="lstm", hidden_size=8, workers=5, rollout_length=7, lifetime=(3, 3)
    )
    assert RecurrentWork.of(config, num_devices=2, chunk_size=4) == RecurrentWork(6, 12, 5, 8, 4, 21, 2, 4)


@pytest.mark.parametrize("lifetime", [None, (10, 250)])
def test_lives_of_unknown_length_are_refused(lifetime):
    with pytest.raises(ValueError, match="one length, got lifetime"):
        RecurrentWork.of(TrainConfig.of(lifetime=lifetime), 1, 64)


@pytest.mark.parametrize("shared", [False, True])
def test_products_multiply_all_states_of_all_steps_by_an_orthogonal_block(shared):
    states = np.asarray(products(replace(WORK, shared=shared), lives_mesh(2), "float32")())
    assert states.size == WORK.lives * WORK.workers * WORK.hidden_size
    block = np.asarray(jax.numpy.linalg.qr(jax.random.normal(jax.random.key(0), (2, 2)))[0])
    expected = np.ones(2) @ np.linalg.matrix_power(block, WORK.num_steps)
    np.testing.assert_allclose(states.reshape(-1, 2), np.broadcast_to(expected, (24, 2)), atol=1e-5)


def test_products_of_all_gates_are_made():
    step = jax.jit(lambda: products(WORK, lives_mesh(2), "float32")())
    assert f"f32[2,3,{3 * WORK.hidden_size}]" in step.lower().compile().as_text()


def test_triad_counts_two_reads_and_a_write():
    run, moved = triad(lives_mesh(2), megabytes=1)
    assert run().size == 2 * 2**20 // 4
    assert moved == 3 * 2 * 2**20
    run()
