"""Resumable state of a run: the last few generations on disk, one file each.

Differs from the usual choice, orbax: it refuses arrays without elements, does not save (and does not
say so) a generation before its newest, as a run must that went back past a corrupt one, and waits for
all processes of a distributed job although one of them writes. One file that is renamed into place
needs none of this.
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
"""JAX's name of a kind of key by its dtype, which is all that an example without values has."""

FILE_NAME = re.compile(r"generation_(\d{8,})\.safetensors")


class CheckpointError(ValueError):
    """One line that names the folder of the checkpoints and what is wrong with it."""


@dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Attributes:
        generation: the first generation to be done.
        state: tree like the example: NumPy arrays, and keys where it has keys.
        extra: the JSON object saved with it.
        skipped: for each newer checkpoint that could not be used, one line that says why.
    """

    generation: int
    state: PyTree
    extra: dict[str, Any]
    skipped: list[str]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run. One process at a time may save.

    Attributes:
        folder: made by the first save.
        keep: how many checkpoints are kept, ≥ 1.
    """

    folder: Path
    keep: int = 3

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(f"Checkpoints.keep must be >= 1, got {self.keep}")

    def save(self, generation: int, state: PyTree, extra: dict[str, Any]) -> None:
        """Write a checkpoint; on return it is on disk and older ones than the last `keep` are gone.

        Checkpoints of later generations are removed too: they could not be used by the run that now
        saves an earlier one, and must not win over it when it is resumed.

        Args:
            generation: the first generation that is still to be done, ≥ 0.
            state: pytree of arrays and keys, each whole on this process.
            extra: JSON object.

        Raises:
            CheckpointError: a leaf is no array, or the disk is full or not writable; all earlier
                checkpoints are intact.
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
        """Read the newest checkpoint that is whole and has the arrays of the example.

        Args:
            example: pytree of arrays, keys or `jax.ShapeDtypeStruct` as given to `save`; its values are not read.

        Raises:
            CheckpointError: there is none, or a leaf of the example is no array.
        """
        stored = _stored_leaves(example)
        template = {name: _template(leaf) for name, leaf in stored.items()}
        skipped: list[str] = []
        for generation in sorted(self.generations(), reverse=True):
            path = self._path(generation)
            try:
                content = CHECKPOINT_FORMAT.read_header(path).content
                tensors = CHECKPOINT_FORMAT.read(path, template)
            except TensorFileError as error:
                skipped.append(str(error))
                continue
            if content.get("generation") != generation:
                skipped.append(f"{path}: holds generation {content.get('generation')}, its name says otherwise")
                continue
            leaves = [_like(leaf, tensor) for leaf, tensor in zip(stored.values(), tensors.values(), strict=True)]
            state = jax.tree.unflatten(jax.tree.structure(example), leaves)
            return Restored(generation=generation, state=state, extra=content["extra"], skipped=skipped)
        if skipped:
            raise CheckpointError(f"{self.folder}: no checkpoint can be used: {'; '.join(skipped)}")
        raise CheckpointError(f"{self.folder}: no checkpoint")

    def content(self, generation: int) -> bytes:
        """A checkpoint as it lies on disk, for another process to `receive`.

        Args:
            generation: of a checkpoint.

        Raises:
            CheckpointError: it cannot be read.
        """
        try:
            return f"{generation}\n".encode() + self._path(generation).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{self._path(generation)}: cannot be read: {error.strerror}") from error

    def receive(self, content: bytes) -> None:
        """Put a checkpoint of another process into this folder.

        Args:
            content: as `content` gave it.
        """
        generation, file = content.split(b"\n", 1)
        self._path(int(generation)).write_bytes(file)

    def _path(self, generation: int) -> Path:
        return self.folder / f"generation_{generation:08d}.safetensors"

    def generations(self) -> list[int]:
        """Generations of the checkpoints on disk, whole or not, in no order."""
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
    """Leaves by the name of their tensor; a key's name ends in its kind, so that kinds are not confused."""
    leaves = named_leaves(tree)
    for name, leaf in leaves.items():
        if not hasattr(leaf, "dtype"):
            raise CheckpointError(f"state to save or restore: {name} must be an array, got a {type(leaf).__name__}")
    return {f"{name}:{leaf.dtype}" if _is_key(leaf) else name: leaf for name, leaf in leaves.items()}


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _template(leaf: Any) -> jax.ShapeDtypeStruct:
    # Only keys go through JAX, which would take a float64 of NumPy for a float32.
    return jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _like(leaf: Any, tensor: np.ndarray) -> Any:
    return jax.random.wrap_key_data(jnp.asarray(tensor), impl=KEY_KINDS[str(leaf.dtype)]) if _is_key(leaf) else tensor
