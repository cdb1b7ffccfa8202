"""Files of tuned settings, which keep each search under all that it depends on, so that none is taken for another."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from groove.transfer.configurations import Configuration
from groove.transfer.contestants import Contestant, tuning_keys
from groove.transfer.environments import Environment
from lpg.atomic_file import replacing


class TuningError(ValueError):
    """One line that names tuned settings and says what is wrong with them."""


@dataclass(frozen=True)
class Search:
    """What a search depends on.

    Attributes:
        rule: digest of the rule (`Contestant.digest`), which no folder's or file's name is part of.
        suite: suite of the environments tuned on, with its version (`edition`).
        where: key that the settings are looked up by, one of `groove.transfer.contestants.tuning_keys`.
        configurations: configurations tried, including the default.
        workers: workers of each agent in the default configuration.
        rollout_length: steps between two updates in the default configuration.
        ceiling: whether the rule was tuned in the very environment that it is evaluated in.
        name: name of the rule in messages; it identifies nothing.
    """

    rule: str
    suite: str
    where: str
    configurations: int
    workers: int
    rollout_length: int
    ceiling: bool = False
    name: str = field(default="", compare=False)


Tuned = dict[Search, Configuration]
"""The best configuration of each search."""


def edition(environment: Environment) -> str:
    """Return the name and version of an environment's suite, with the digest of the file that defines a user's own.

    Args:
        environment: the environment.

    Returns:
        Such as "mazes@2", or "mine+0123456789ab".
    """
    own = environment.source_sha256
    return f"{environment.suite}+{own[:12]}" if own else environment.suite


def search_of(
    contestant: Contestant, environments: list[Environment], num_configurations: int, ceiling: bool = False
) -> Search:
    """Return what a search depends on.

    Args:
        contestant: the rule with its default settings.
        environments: environments tuned on, with one kind of observation.
        num_configurations: number of configurations tried.
        ceiling: whether the rule is tuned in the one environment that it is evaluated in.

    Returns:
        The search.
    """
    first = environments[0]
    own, kind = tuning_keys(first)
    where = own if ceiling else kind
    shape = (first.workers, first.rollout_length)
    return Search(contestant.digest, edition(first), where, num_configurations, *shape, ceiling, contestant.name)


def add_tuned(path: Path, found: Tuned) -> Tuned:
    """Add the results of searches to a file and keep what it already holds, including what others have just added.

    Args:
        path: JSON file, created with its folder if it does not exist.
        found: results; for a search that the file already holds, the file's own result is kept.

    Returns:
        All that the file holds now.

    Raises:
        TuningError: the file is not a file of tuned settings.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(path.parent):
        held = read_tuned(path) if path.exists() else {}
        held |= {search: best for search, best in found.items() if search not in held}
        searches = [asdict(search) | {"best": best.to_json()} for search, best in held.items()]
        with replacing(path) as new:
            new.write_text(json.dumps({"searches": searches}, indent=2) + "\n", encoding="utf-8")
    return held


def read_tuned(path: Path) -> Tuned:
    """Read the results that `add_tuned` wrote.

    Args:
        path: JSON file to read.

    Returns:
        The results of all searches in the file.

    Raises:
        TuningError: the file is missing, or it is not a file of tuned settings.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["searches"]
        return {Search(**_without(row, "best")): Configuration.from_json(row["best"]) for row in rows}
    except OSError as error:
        raise TuningError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TuningError(
            f"{path}: must be a settings file written by `groove tune` of this version "
            f"({type(error).__name__}: {error})"
        ) from error


def settings_for(found: Tuned, environments: list[Environment]) -> Tuned:
    """Return the results that apply to a suite.

    Args:
        found: results of searches.
        environments: environments of the suite, in which agents will live.

    Returns:
        The results for it.

    Raises:
        TuningError: all settings of a rule for an environment, or for a kind of observation, are for another version of
            the suite, or for other workers or steps; or the searches that apply differ in size.
    """
    wanted = edition(environments[0])
    shapes = {key: (own.workers, own.rollout_length) for own in environments for key in tuning_keys(own)}
    own = {search: best for search, best in found.items() if _bare(search.suite) == _bare(wanted)}
    fitting = {
        search: best
        for search, best in own.items()
        if search.suite == wanted and shapes.get(search.where) == (search.workers, search.rollout_length)
    }
    for search in own:
        if any((search.rule, _bare(search.where)) == (other.rule, _bare(other.where)) for other in fitting):
            continue
        if search.suite != wanted:
            raise TuningError(f"settings of {search.name} were tuned in {search.suite}, but agents live in {wanted}")
        if search.where in shapes:
            workers, steps = shapes[search.where]
            raise TuningError(
                f"settings of {search.name} were tuned with {search.workers} workers x {search.rollout_length} steps, "
                f"but agents in {search.where} have {workers} x {steps}"
            )
    sizes = sorted({search.configurations for search in fitting})
    if len(sizes) > 1:
        raise TuningError(
            f"settings for {wanted} were tuned with {' and '.join(map(str, sizes))} configurations; "
            "compare rules tuned with equally many"
        )
    return fitting


def _bare(name: str) -> str:
    """Return the name of a suite, or a key that starts with it, without its version, level seed and digest."""
    return re.sub("[@#+][^/:]*", "", name)


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process adds to a file in the folder; the kernel releases the lock when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
