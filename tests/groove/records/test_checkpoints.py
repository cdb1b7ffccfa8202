"""Checkpoints: what was saved is restored, or else the checkpoint before it, with the reason."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from groove.records.checkpoints import CheckpointError, Checkpoints
from tests.full_disk import full_disk


@struct.dataclass
class State:
    """A state with every kind of leaf."""

    mean: jax.Array
    key: jax.Array
    slots: dict[str, jax.Array]
    empty: tuple = ()


def state_of(generation, size=3):
    return State(
        mean=jnp.arange(size, dtype=jnp.float32) + generation,
        key=jax.random.key(generation),
        slots={"filled": jnp.array([True, False]), "none": jnp.zeros((0, 2), jnp.int32), "best": jnp.float32(-jnp.inf)},
    )


def assert_equal(restored, expected):
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(restored), jax.tree.leaves(expected), strict=True):
        assert left.dtype == right.dtype and left.shape == right.shape
        if jax.dtypes.issubdtype(left.dtype, jax.dtypes.prng_key):
            left, right = jax.random.key_data(left), jax.random.key_data(right)
        np.testing.assert_array_equal(left, right)


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=3)


def names(checkpoints):
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_restore_gives_back_every_bit(checkpoints):
    checkpoints.save(5, state_of(5), {"best": 0.1})
    restored = checkpoints.restore(state_of(0))
    assert_equal(restored.state, state_of(5))
    assert (restored.generation, restored.extra, restored.skipped) == (5, {"best": 0.1}, [])


def test_restore_needs_only_shapes(checkpoints):
    checkpoints.save(5, state_of(5), {})
    assert_equal(checkpoints.restore(jax.eval_shape(lambda: state_of(0))).state, state_of(5))


def test_restore_works_in_a_new_process(checkpoints):
    checkpoints.save(5, {"key": jax.random.key(1), "mean": jnp.arange(3.0)}, {})
    program = (
        "import sys, jax, pathlib; from groove.records.checkpoints import Checkpoints\n"
        "example = jax.eval_shape(lambda: {'key': jax.random.key(0), 'mean': jax.numpy.zeros(3)})\n"
        "state = Checkpoints(pathlib.Path(sys.argv[1])).restore(example).state\n"
        "print(float(state['mean'].sum()), float(jax.random.uniform(state['key'])))"
    )
    command = [sys.executable, "-c", program, str(checkpoints.folder)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == f"3.0 {float(jax.random.uniform(jax.random.key(1)))}\n"


def test_save_keeps_the_last_and_only_them(checkpoints):
    for generation in range(5):
        checkpoints.save(generation, state_of(generation), {})
    (checkpoints.folder / ".generation_00000009.safetensors.1.tmp").write_text("cut off by a kill")
    checkpoints.save(5, state_of(5), {})
    assert names(checkpoints) == [f"generation_0000000{generation}.safetensors" for generation in (3, 4, 5)]


def test_save_removes_checkpoints_of_a_future_that_is_run_again(checkpoints):
    for generation in (1, 2, 9):
        checkpoints.save(generation, state_of(generation), {})
    checkpoints.save(3, state_of(3), {})
    assert checkpoints.restore(state_of(0)).generation == 3
    assert len(names(checkpoints)) == 3


DAMAGE = {
    "truncated": (lambda whole: whole[:-7], "truncated"),
    "empty": (lambda whole: b"", "truncated"),
    "one bit": (lambda whole: whole[:-7] + bytes([whole[-7] ^ 1]) + whole[-6:], "does not match its SHA-256"),
    "extra": (lambda whole: whole.replace(b"0.125", b"0.126"), "does not match its SHA-256"),
    "text": (lambda whole: b"no checkpoint " * 99, "truncated, or not a groove checkpoint"),
    "kind": (lambda whole: whole.replace(b"groove checkpoint", b"groove curriculum"), "not a groove checkpoint"),
    "newer": (lambda whole: whole.replace(b'format_version\\":1', b'format_version\\":9'), "format version 9"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_restore_skips_a_damaged_checkpoint_and_says_why(checkpoints, kind):
    damage, reason = DAMAGE[kind]
    checkpoints.save(1, state_of(1), {})
    checkpoints.save(2, state_of(2), {"best": 0.125})
    newest = checkpoints.folder / "generation_00000002.safetensors"
    whole = newest.read_bytes()
    newest.write_bytes(damage(whole))
    assert newest.read_bytes() != whole
    restored = checkpoints.restore(state_of(0))
    assert restored.generation == 1
    assert len(restored.skipped) == 1 and str(newest) in restored.skipped[0] and reason in restored.skipped[0]


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        ({"mean": jnp.zeros(3)}, "tensor key:key<fry> is missing"),
        (state_of(0, size=4), "tensor mean has shape (4,), not (3,)"),
        (state_of(0).replace(mean=jnp.zeros(3, jnp.int32)), "tensor mean has dtype int32, not float32"),
        (state_of(0).replace(key=jax.random.key(0, impl="rbg")), "tensor key:key<fry> is missing"),
        (state_of(0).replace(slots=state_of(0).slots | {"more": jnp.zeros(1)}), "unknown tensor slots/more"),
    ],
)
def test_restore_skips_a_checkpoint_of_another_state(checkpoints, foreign, reason):
    checkpoints.save(1, state_of(1), {})
    checkpoints.save(2, foreign, {})
    restored = checkpoints.restore(state_of(0))
    assert restored.generation == 1
    assert reason in restored.skipped[0]


def test_restore_skips_a_renamed_checkpoint(checkpoints):
    checkpoints.save(1, state_of(1), {})
    (checkpoints.folder / "generation_00000001.safetensors").rename(
        checkpoints.folder / "generation_00000007.safetensors"
    )
    with pytest.raises(CheckpointError, match="holds generation 1, but its name says otherwise"):
        checkpoints.restore(state_of(0))


def test_restore_of_nothing_names_the_folder(checkpoints):
    with pytest.raises(CheckpointError, match="checkpoints: no checkpoint$"):
        checkpoints.restore(state_of(0))


def test_save_onto_a_full_disk_leaves_the_last_checkpoint(checkpoints):
    checkpoints.save(1, state_of(1), {})
    with full_disk(), pytest.raises(CheckpointError, match="not saved: .*cannot be written: File too large"):
        checkpoints.save(2, state_of(2, size=10_000), {})
    assert_equal(checkpoints.restore(state_of(0)).state, state_of(1))
    assert names(checkpoints) == ["generation_00000001.safetensors"]


def test_save_into_no_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file/checkpoints: cannot be made: Not a directory"):
        Checkpoints(tmp_path / "file" / "checkpoints").save(0, state_of(0), {})


def test_save_refuses_what_it_cannot_give_back(checkpoints):
    with pytest.raises(CheckpointError, match="half has dtype bfloat16, allowed: bool"):
        checkpoints.save(0, {"half": jnp.zeros(2, jnp.bfloat16)}, {})
    with pytest.raises(CheckpointError, match="header is not JSON"):
        checkpoints.save(0, state_of(0), {"best": float("nan")})


def test_leaves_must_be_arrays(checkpoints):
    for use in (lambda: checkpoints.save(0, {"count": 3}, {}), lambda: checkpoints.restore({"count": 3})):
        with pytest.raises(CheckpointError, match="count must be an array, got int"):
            use()


def test_restore_keeps_wide_numpy_arrays(checkpoints):
    wide = {"seconds": np.array([1 + 2.0**-40]), "steps": np.array(2**40)}
    checkpoints.save(1, wide, {})
    assert_equal(checkpoints.restore(wide).state, wide)


def test_keep_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match=r"Checkpoints.keep must be >= 1, got 0"):
        Checkpoints(tmp_path, keep=0)


def test_checkpoint_is_handed_to_another_process_whole(checkpoints, tmp_path):
    state = {"x": np.array([-0.0, np.nan, 3e38], np.float32), "key": jax.random.key(5)}
    checkpoints.save(7, state, {"steps": 3})
    received = Checkpoints(tmp_path / "elsewhere")
    received.folder.mkdir()
    received.receive(checkpoints.content(7))
    restored = received.restore(state)
    assert (restored.generation, restored.extra) == (7, {"steps": 3})
    assert restored.state["x"].tobytes() == state["x"].tobytes()
    with pytest.raises(CheckpointError, match=r"generation_00000008.safetensors: cannot be read"):
        checkpoints.content(8)
