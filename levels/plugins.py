"""Parts of a user's own, named FILE.py:NAME wherever a built-in name is accepted. Imports no JAX."""

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import ismodule
from pathlib import Path
from types import ModuleType
from typing import Any

from levels.near_names import perhaps


class PluginError(ValueError):
    """One line that names a plugin's file and says what is wrong with it."""


class PluginChangedWarning(UserWarning):
    """A plugin's file differs from the one that a run or a rule file recorded."""


def is_plugin(name: str) -> bool:
    """Return whether a name stands for an object in a Python file.

    Args:
        name: a built-in name or FILE.py:NAME.

    Returns:
        True for FILE.py:NAME.
    """
    return re.fullmatch(r".+\.py:[A-Za-z_]\w*", name) is not None


def absolute(name: str) -> str:
    """Return a plugin's name with the absolute path of its file, as runs and rule files record it.

    Args:
        name: FILE.py:NAME.

    Returns:
        The name.
    """
    path, part = _split(name)
    return f"{path.resolve()}:{part}"


def file_sha256(name: str) -> str:
    """Return the digest of a plugin's file.

    Args:
        name: FILE.py:NAME.

    Returns:
        SHA-256 as hexadecimal digits.

    Raises:
        PluginError: the file cannot be read.
    """
    return _digest(_split(name)[0])


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PluginError(f"{path}: cannot be read: {error.strerror}") from error


def load_plugin(name: str, kind: str, members: Iterable[str], known: Iterable[str], *arguments: Any) -> Any:
    """Return the object that a plugin's name stands for.

    A class or function is called to build the object, with the arguments if it takes any.
    Equal names of an unchanged file give the same object.

    Args:
        name: FILE.py:NAME.
        kind: what the object is to be, for messages: "a curriculum".
        members: attributes that the object must have.
        known: built-in names of this kind, which a plugin must not take.
        arguments: hashable settings that a class or function may be called with.

    Returns:
        The object.

    Raises:
        PluginError: the file fails, or holds no such object.
    """
    path, part = _split(name)
    thing, members = load_object(name, kind, known), tuple(members)
    if isinstance(thing, type) or (callable(thing) and not all(hasattr(thing, member) for member in members)):
        try:
            thing = _built(str(path.resolve()), file_sha256(name), part, arguments)
        except (Exception, SystemExit) as error:
            raise _failure(path, f"{part}, called to build {kind}", error) from error
    lacking = [member for member in members if not hasattr(thing, member)]
    if lacking:
        raise PluginError(f"{path}: {part} must be {kind}, but it lacks {', '.join(lacking)}")
    return thing


def load_object(name: str, kind: str, known: Iterable[str]) -> Any:
    """Return what a plugin's file assigns to its name.

    Args:
        name: FILE.py:NAME.
        kind: as for `load_plugin`.
        known: as for `load_plugin`.

    Returns:
        Any object.

    Raises:
        PluginError: the file cannot be read, fails, or does not define the name, or the name is a built-in one.
    """
    path, part = _split(name)
    if part in known:
        raise PluginError(f"{path}: {part} is the name of {kind} that is built in; give yours another name")
    module = plugin_module(name)
    if not hasattr(module, part):
        own = [name for name, value in vars(module).items() if not (name.startswith("_") or ismodule(value))]
        raise PluginError(f"{path}: defines no {part}{perhaps(part, own)}")
    return getattr(module, part)


def plugin_module(name: str) -> ModuleType:
    """Return the module that a plugin's file makes; each version of the file runs once.

    Args:
        name: FILE.py:NAME.

    Returns:
        The module.

    Raises:
        PluginError: the file cannot be read, or fails.
    """
    path, part = _split(name)
    sha256 = file_sha256(name)
    try:
        return _module(str(path.resolve()), sha256)
    except (Exception, SystemExit) as error:
        raise _failure(path, part, error) from error


def described(error: BaseException) -> str:
    """Return the type and the message of an error of a user's code in one line.

    Args:
        error: the error.

    Returns:
        Such as "ZeroDivisionError: division by zero".
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def find_again(name: str, sha256: Mapping[str, str], beside: Path) -> str:
    """Return the name of a recorded plugin whose file may have moved, and warn if the file has changed.

    Args:
        name: FILE.py:NAME with the absolute path that was recorded.
        sha256: recorded digests by path.
        beside: the file that records the plugin; a moved file is looked for in its folder.

    Returns:
        The name with the path where the file is now.

    Raises:
        PluginError: the file is in neither place.
    """
    path, part = _split(name)
    return f"{find_file(path, sha256.get(str(path)), beside)}:{part}"


def find_file(path: Path, sha256: str | None, beside: Path) -> Path:
    """Return where a recorded file is now, and warn if it has changed.

    Args:
        path: the absolute path that was recorded.
        sha256: the recorded digest, None if there is none.
        beside: the file that records it; a moved file is looked for in its folder and in the one above, which is that
            of a group of runs.

    Returns:
        The absolute path.

    Raises:
        PluginError: the file is in neither place.
    """
    folder = beside.resolve().parent
    here = next((file for file in (path, folder / path.name, folder.parent / path.name) if file.is_file()), None)
    if here is None:
        raise PluginError(f"{beside}: needs {path}, which is neither there nor beside it")
    if sha256 is not None and _digest(here) != sha256:
        warnings.warn(f"{here} has changed since {beside} was written", PluginChangedWarning, stacklevel=2)
    return here.resolve()


def _split(name: str) -> tuple[Path, str]:
    path, _, part = name.rpartition(":")
    return Path(path), part


@cache
def _module(path: str, sha256: str) -> ModuleType:
    """Run a file once for each of its versions."""
    name = f"groove_plugin_{sha256[:16]}_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # The modules beside it can be imported, as when Python runs it as a script.
    if str(Path(path).parent) not in sys.path:
        sys.path.append(str(Path(path).parent))
    spec.loader.exec_module(module)
    return module


@cache
def _built(path: str, sha256: str, part: str, arguments: tuple[Any, ...]) -> Any:
    build = getattr(_module(path, sha256), part)
    return build(*arguments[: len(inspect.signature(build).parameters)])


def _failure(path: Path, part: str, error: BaseException) -> PluginError:
    """Describe an error of the user's code in one line, with the last line of the file that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f", line {at.lineno}" for at in reversed(frames) if at.filename == str(path.resolve())), "")
    return PluginError(f"{path}: {part}{line}: {described(error)}")
