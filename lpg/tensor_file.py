"""Named arrays in one safetensors file, with a header that identifies it and a digest that verifies it."""

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, numpy, safe_open

from lpg.atomic_file import replacing

METADATA_KEY = "groove"
"""The one metadata entry. Several would be written in an order that differs between runs."""

DTYPE_NAMES = {
    "BOOL": "bool",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
}
"""NumPy's names of the dtypes that can be stored, by the names safetensors gives them."""


class TensorFileError(ValueError):
    """A one-line message that names the file and says what is wrong with it."""


@dataclass(frozen=True)
class TensorHeader:
    """The header of a tensor file.

    Attributes:
        content: the JSON object that was passed to `write`.
        format_version: version of the file format, ≥ 1.
        sha256: hexadecimal digest of kind, version, content and tensors.
    """

    content: dict[str, Any]
    format_version: int
    sha256: str


@dataclass(frozen=True)
class TensorFormat:
    """One kind of tensor file. Reading never executes or trusts anything in the file.

    Attributes:
        kind: what the file holds, such as "groove rule".
        version: format version that is written, and the newest that can be read.
        max_bytes: largest file size; larger files are not opened.
    """

    kind: str
    version: int
    max_bytes: int

    def write(self, path: Path, content: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        """Write a file atomically. Equal inputs give equal bytes.

        Args:
            path: the file to create or replace.
            content: a JSON object without NaN or infinity.
            tensors: the arrays by name.

        Raises:
            TensorFileError: the file cannot be written or is too large, or an array or the content cannot be stored.
        """
        # safetensors writes an array's memory as it is, so it must be in C order.
        arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
        for name, array in arrays.items():
            if array.dtype.name not in DTYPE_NAMES.values():
                allowed = ", ".join(DTYPE_NAMES.values())
                raise TensorFileError(f"{path}: {name} has dtype {array.dtype}, allowed: {allowed}")
        try:
            sha256 = _digest(self.kind, self.version, content, arrays)
        except (TypeError, ValueError) as error:
            raise TensorFileError(f"{path}: header is not JSON: {error}") from error
        header = {"kind": self.kind, "format_version": self.version, "sha256": sha256, "content": content}
        encoded = numpy.save(arrays, {METADATA_KEY: _canonical_json(header)})
        if len(encoded) > self.max_bytes:
            raise TensorFileError(f"{path}: would be {len(encoded)} bytes; a {self.kind} has at most {self.max_bytes}")
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(encoded)
        except OSError as error:
            raise TensorFileError(f"{path}: cannot be written: {error.strerror or error}") from error

    def read_header(self, path: Path) -> TensorHeader:
        """Read a file's header. The file's length is checked; the digest of its tensors is not.

        Raises:
            TensorFileError: the file is missing, too large, truncated, of another kind or of a newer format.
        """
        with self._open(path) as file:
            return self._parse_header(path, file.metadata())

    def read(self, path: Path, template: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, np.ndarray]:
        """Read the tensors of a file into host memory.

        Args:
            path: the file.
            template: required shape and dtype of each tensor, by name; other names are refused.

        Returns:
            The array for each name in `template`.

        Raises:
            TensorFileError: as for `read_header`, or a tensor is missing, unknown, corrupt or of the
                wrong shape or dtype.
        """
        with self._open(path) as file:
            header = self._parse_header(path, file.metadata())
            _check_tensors(path, file, template)
            arrays = {name: file.get_tensor(name) for name in template}
        if _digest(self.kind, header.format_version, header.content, arrays) != header.sha256:
            raise TensorFileError(f"{path}: corrupt: the content does not match its SHA-256")
        return arrays

    def _open(self, path: Path) -> Any:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise TensorFileError(f"{path}: not a file")
            if status.st_size > self.max_bytes:
                raise TensorFileError(f"{path}: {status.st_size} bytes; a {self.kind} has at most {self.max_bytes}")
            return safe_open(path, framework="numpy")
        except OSError as error:
            raise TensorFileError(f"{path}: cannot be read: {error.strerror or error}") from error
        except SafetensorError as error:
            reason = str(error).removeprefix("Error while deserializing header: ")
            raise TensorFileError(f"{path}: truncated, or not a {self.kind} ({reason})") from error

    def _parse_header(self, path: Path, metadata: Mapping[str, str] | None) -> TensorHeader:
        if not metadata or METADATA_KEY not in metadata:
            raise TensorFileError(f"{path}: a safetensors file, but not a {self.kind}")
        try:
            header = json.loads(metadata[METADATA_KEY])
            kind, version = str(header["kind"]), int(header["format_version"])
            parsed = TensorHeader(content=header["content"], format_version=version, sha256=str(header["sha256"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise TensorFileError(f"{path}: corrupt: the header cannot be read") from error
        if kind != self.kind:
            raise TensorFileError(f"{path}: a {kind}, not a {self.kind}")
        if not 1 <= version <= self.version:
            raise TensorFileError(f"{path}: format version {version}, but this program reads 1..{self.version}")
        if not isinstance(parsed.content, dict):
            raise TensorFileError(f"{path}: corrupt: the header cannot be read")
        return parsed


def named_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves of a pytree by path, such as `gru/kernel`.

    Args:
        tree: a pytree whose paths are distinct when written with slashes.

    Returns:
        The leaf at each path, in the order of `jax.tree.leaves`.

    Raises:
        ValueError: two leaves have the same path.
    """
    leaves: dict[str, Any] = {}
    for path, leaf in jax.tree.leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in leaves:
            raise ValueError(f"two leaves of the tree are called {name}")
        leaves[name] = leaf
    return leaves


def _check_tensors(path: Path, file: Any, template: Mapping[str, jax.ShapeDtypeStruct]) -> None:
    names = set(file.keys())
    for name, expected in template.items():
        if name not in names:
            raise TensorFileError(f"{path}: tensor {name} is missing")
        view = file.get_slice(name)
        found_shape, found_dtype = tuple(view.get_shape()), DTYPE_NAMES.get(view.get_dtype(), view.get_dtype())
        if found_shape != tuple(expected.shape):
            raise TensorFileError(f"{path}: tensor {name} has shape {found_shape}, not {tuple(expected.shape)}")
        if found_dtype != np.dtype(expected.dtype).name:
            raise TensorFileError(f"{path}: tensor {name} has dtype {found_dtype}, not {np.dtype(expected.dtype).name}")
    unknown = sorted(names - set(template))
    if unknown:
        raise TensorFileError(f"{path}: unknown tensor {unknown[0]}")


def _canonical_json(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(kind: str, version: int, content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    layout = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
    digest = hashlib.sha256(_canonical_json([kind, version, content, layout]).encode())
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
