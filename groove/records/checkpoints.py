"""Resumable state of a run: the last few generations on disk, one file each.

Differs from the usual choice, orbax, which rejects empty arrays, silently skips saving a generation
before its newest (a run that went back past a corrupt checkpoint must save one), and waits for all
processes of a distributed job although only one writes. A single file that is renamed into place
avoids all this.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from lpg.tensor_file import TensorFileError, TensorFormat, named_leaves

CHECKPOINT_FORMAT = TensorFormat(kind="groove checkpoint", version=1, max_bytes=2**37)
KEY_KINDS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
"""JAX's name of each kind of key by its dtype, since an example without values has only the dtype."""

FILE_NAME = re.compile(r"generation_(\d{8,})\.safetensors")


class CheckpointError(ValueError):
    """One line that names the folder of the checkpoints and says what is wrong."""


@dataclass(frozen=True)
class Restored:
    """A restored checkpoint.

    Attributes:
        generation: the next generation to run.
        state: tree like the example, of NumPy arrays, and of keys where the example has keys.
        extra: the JSON object saved with the state.
        skipped: one line for each newer checkpoint that could not be used, saying why.
    """

    generation: int
    state: PyTree
    extra: dict[str, Any]
    skipped: list[str]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run. Only one process at a time may save.

    Attributes:
        folder: folder of the checkpoints, created by the first save.
        keep: number of checkpoints kept, ≥ 1.
    """

    folder: Path
    keep: int = 3

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(f"Checkpoints.keep must be >= 1, got {self.keep}")

    def save(self, generation: int, state: PyTree, extra: dict[str, Any]) -> None:
        """Save a checkpoint. On return it is on disk, and all but the last `keep` are removed.

        Checkpoints of later generations are removed too: the run that now saves an earlier one could
        not use them, and they must not take precedence when it is resumed.

        Args:
            generation: the next generation to run, ≥ 0.
            state: pytree of arrays and keys, each whole on this process.
            extra: JSON object saved with the state.

        Raises:
            CheckpointError: a leaf is not an array, or the disk is full or not writable; all earlier
                checkpoints stay intact.
        """
        tensors = {
            name: np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
            for name, leaf in _stored_leaves(state).items()
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            CHECKPOINT_FORMAT.write(self._path(generation), {"generation": generation, "extra": extra}, tensors)
        except OSError as error:
            raise CheckpointError(f"{self.folder}: cannot be made: {error.strerror}") from error
        except TensorFileError as error:
            raise CheckpointError(f"checkpoint not saved: {error}") from error
        self._prune(generation)

    def restore(self, example: PyTree) -> Restored:
        """Restore the newest checkpoint that is intact and has the arrays of the example.

        Args:
            example: pytree of arrays, keys or `jax.ShapeDtypeStruct` as given to `save`; its values are not read.

        Raises:
            CheckpointError: there is no such checkpoint, or a leaf of the example is not an array.
        """
        stored, skipped = _stored_leaves(example), []
        for generation in sorted(self.generations(), reverse=True):
            try:
                leaves, extra = self._read(generation, stored)
            except TensorFileError as error:
                skipped.append(str(error))
                continue
            state = jax.tree.unflatten(jax.tree.structure(example), leaves)
            return Restored(generation=generation, state=state, extra=extra, skipped=skipped)
        if skipped:
            raise CheckpointError(f"{self.folder}: no checkpoint can be used: {'; '.join(skipped)}")
        raise CheckpointError(f"{self.folder}: no checkpoint")

    def read(self, generation: int, example: PyTree) -> PyTree | None:
        """Read the state of one checkpoint.

        Args:
            generation: generation of the checkpoint.
            example: pytree as for `restore`.

        Returns:
            The state; None if it is not intact or has other arrays than the example.
        """
        try:
            leaves, _ = self._read(generation, _stored_leaves(example))
        except TensorFileError:
            return None
        return jax.tree.unflatten(jax.tree.structure(example), leaves)

    def _read(self, generation: int, stored: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        path = self._path(generation)
        content = CHECKPOINT_FORMAT.read_header(path).content
        tensors = CHECKPOINT_FORMAT.read(path, {name: _template(leaf) for name, leaf in stored.items()})
        if content.get("generation") != generation:
            raise TensorFileError(f"{path}: holds generation {content.get('generation')}, but its name says otherwise")
        leaves = [_like(leaf, tensor) for leaf, tensor in zip(stored.values(), tensors.values(), strict=True)]
        return leaves, content["extra"]

    def content(self, generation: int) -> bytes:
        """Read a checkpoint's bytes from disk, for another process to `receive`.

        Args:
            generation: generation of the checkpoint.

        Raises:
            CheckpointError: it cannot be read.
        """
        try:
            return f"{generation}\n".encode() + self._path(generation).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{self._path(generation)}: cannot be read: {error.strerror}") from error

    def receive(self, content: bytes) -> None:
        """Write a checkpoint of another process into this folder.

        Args:
            content: result of `content` on the other process.
        """
        generation, file = content.split(b"\n", 1)
        self._path(int(generation)).write_bytes(file)

    def _path(self, generation: int) -> Path:
        return self.folder / f"generation_{generation:08d}.safetensors"

    def generations(self) -> list[int]:
        """List the generations of the checkpoints on disk, intact or not, in no particular order."""
        if not self.folder.is_dir():
            return []
        matches = [FILE_NAME.fullmatch(entry.name) for entry in self.folder.iterdir()]
        return [int(match.group(1)) for match in matches if match]

    def _prune(self, newest: int) -> None:
        generations = self.generations()
        later = [generation for generation in generations if generation > newest]
        earlier = sorted((generation for generation in generations if generation <= newest), reverse=True)
        cut_off = list(self.folder.glob(".generation_*.tmp"))  # a killed process leaves these
        for path in [self._path(generation) for generation in later + earlier[self.keep :]] + cut_off:
            with suppress(OSError):
                path.unlink()


def _stored_leaves(tree: PyTree) -> dict[str, Any]:
    """Return leaves by tensor name; a key's name ends in its dtype, so that kinds are not confused."""
    leaves = named_leaves(tree)
    for name, leaf in leaves.items():
        if not hasattr(leaf, "dtype"):
            raise CheckpointError(f"state to save or restore: {name} must be an array, got {type(leaf).__name__}")
    return {f"{name}:{leaf.dtype}" if _is_key(leaf) else name: leaf for name, leaf in leaves.items()}


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _template(leaf: Any) -> jax.ShapeDtypeStruct:
    # Only keys go through JAX, which would turn NumPy's float64 into float32.
    return jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _like(leaf: Any, tensor: np.ndarray) -> Any:
    return jax.random.wrap_key_data(jnp.asarray(tensor), impl=KEY_KINDS[str(leaf.dtype)]) if _is_key(leaf) else tensor
