"""Measurements in processes of their own: what one leaves in memory or in a cache is not there for the next."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.readings import Reading


class MeasurementFailed(RuntimeError):
    """A measuring process ended without a result; it has told why on its standard error."""


def in_own_process(function: str, cache: str, **arguments: Any) -> Any:
    """What a function returns in a new process.

    JAX is settled there before the function's module is imported, and has all cores or accelerators.

    Args:
        function: "module:function", whose arguments and result are JSON values (or dataclasses of such).
        cache: folder of the compilation cache.
        arguments: of the function.

    Returns:
        The result, as JSON.

    Raises:
        MeasurementFailed: the process ended with an error.
    """
    command = [sys.executable, "-m", "benchmarks.own_process", function, json.dumps(arguments)]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE)
    if done.returncode:
        raise MeasurementFailed(f"{function} ended with status {done.returncode}: {json.dumps(arguments)}")
    # Libraries may print, too; the result comes last.
    return json.loads(done.stdout.splitlines()[-1])


def readings_of(function: str, cache: str, **arguments: Any) -> list[Reading]:
    """The readings that a function returns in a new process; arguments and errors as of `in_own_process`.

    Args:
        function: "module:function".
        cache: folder of the compilation cache.
        arguments: of the function.

    Returns:
        Its readings.
    """
    return [Reading(**row) for row in in_own_process(function, cache, **arguments)]


def main() -> None:
    """Call the function that the arguments name and print what it returns."""
    from groove.job.devices import configure

    configure(None)
    function, arguments = sys.argv[1:]
    module, name = function.split(":")
    result = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    print(json.dumps(result, default=dataclasses.asdict))


if __name__ == "__main__":
    main()
