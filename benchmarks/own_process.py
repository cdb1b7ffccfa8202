"""Measurements in separate processes, so that none depends on what another leaves in memory or caches."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.readings import Reading


class MeasurementFailed(RuntimeError):
    """A measuring process ended without a result; its standard error says why."""


def in_own_process(function: str, cache: str, **arguments: Any) -> Any:
    """Call a function in a new process.

    JAX is configured there before the function's module is imported, with all cores or accelerators.

    Args:
        function: "module:function", whose arguments and result are JSON values (or dataclasses of them).
        cache: folder of the compilation cache.
        arguments: arguments of the function.

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
    # Libraries may print too; the result comes last.
    return json.loads(done.stdout.splitlines()[-1])


def readings_of(function: str, cache: str, **arguments: Any) -> list[Reading]:
    """Return the readings of a function called in a new process; raises as `in_own_process` does.

    Args:
        function: "module:function".
        cache: folder of the compilation cache.
        arguments: arguments of the function.

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
