"""A job: processes, on one machine or many, that run one program on JAX's distributed runtime."""

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from groove.errors import CommandError, UsageError, report
from groove.job.supervision import supervise

START_SECONDS = 180
"""Within which all processes of a job must have come together."""

HEARTBEAT_SECONDS = 30
"""A process that was not heard of for so long is dead."""

LOST_PROCESS = re.compile(r"Gloo|NCCL|CoordinationService|coordination service|[Hh]eartbeat")
"""In what JAX's runtime says where another process is the reason."""


@dataclass(frozen=True)
class JobFlags:
    """Whether a command is a process of a job, and which; no part of a run's config."""

    distributed: bool = False
    """Be one process of a job on several devices or machines, each started with the same command; under Slurm,
    Open MPI and Kubernetes the three flags below are found by themselves."""
    coordinator: str | None = None
    """HOST:PORT at which process 0 can be reached by all others; the port is free."""
    processes: int | None = None
    """Processes of the job."""
    process_id: int | None = None
    """Number of this process, from 0; process 0 writes the run's folder."""

    def __post_init__(self) -> None:
        given = {"--coordinator": self.coordinator, "--processes": self.processes, "--process-id": self.process_id}
        missing = [flag for flag, value in given.items() if value is None]
        if not self.distributed and len(missing) < len(given):
            present = next(flag for flag in given if flag not in missing)
            raise ValueError(f"{present} goes with --distributed")
        if 0 < len(missing) < len(given):
            raise ValueError(f"--coordinator, --processes and --process-id go together, {missing[0]} is missing")
        if self.coordinator is not None:
            address = re.fullmatch(r".+:(\d{1,5})", self.coordinator)
            if address is None or not 1 <= int(address.group(1)) < 2**16:
                raise ValueError(f"--coordinator must be HOST:PORT with a port in 1..65535, got {self.coordinator}")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"--processes must be >= 1, got {self.processes}")
        if self.processes is not None and not 0 <= (self.process_id or 0) < self.processes:
            raise ValueError(f"--process-id must be in 0..{self.processes - 1}, got {self.process_id}")


@dataclass(frozen=True)
class Job:
    """The place of this process among those of its job; a run without one is a job of one process.

    Attributes:
        process_id: its number.
        num_processes: in the job.
    """

    process_id: int = 0
    num_processes: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process keeps the run's folder and reports its progress."""
        return self.process_id == 0

    def tell(self, mine: str) -> list[str]:
        """What the processes must agree on; goes once, before the first use of a device.

        Args:
            mine: text of this process.

        Returns:
            On the writing process the texts of all, its own first; on another one the writer's.
        """
        if self.num_processes == 1:
            return [mine]
        # The coordination service's own store: collectives need devices, whose number the texts may decide.
        from jax._src.distributed import global_state

        client: Any = global_state.client
        client.key_value_set(f"groove/{self.process_id}", mine)
        others = range(self.num_processes) if self.writes else [0]
        return [client.blocking_key_value_get(f"groove/{number}", START_SECONDS * 1000) for number in others]


@contextmanager
def job(flags: JobFlags, run: Path | None) -> Iterator[Job]:
    """Be a process of a job; goes before anything that starts JAX's backend, and is the last that a command does.

    At the end of the body all processes wait for each other. A process whose body raises ends at once,
    and so that the others do, too: each tells in one line that another has ended.

    Args:
        flags: whether there is a job, and which process this is.
        run: folder of the run, for messages; None where only the writing process knows it.

    Yields:
        The place of this process.

    Raises:
        SystemExit: never returns from a body that raised in a job.
    """
    if not flags.distributed:
        yield Job()
        return

    def lost(reason: str) -> str:
        """One line."""
        return (
            f"groove: another process of the job has ended or cannot be reached ({reason}); "
            f"the run can go on from its last checkpoint with: groove resume {run or 'RUN'}"
        )

    supervise(lost, _not_met(flags))
    try:
        place = _connect(flags)
        if not place.writes:
            # Its progress is that of the writing process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        yield place
        _leave_together()
    except (CommandError, KeyboardInterrupt, BrokenPipeError) as error:
        _leave_alone(report(error))
    except BaseException as error:
        if LOST_PROCESS.search(str(error)):
            # At once: print writes the end of the line by itself, and the runtime may end the process in between.
            os.write(2, f"{lost(str(error).splitlines()[0])}\n".encode())
        else:
            traceback.print_exc()
        _leave_alone(1)


def _connect(flags: JobFlags) -> Job:
    # Errors of the runtime alone: jax 0.8 has no way to leave the preemption service off, which warns at every end.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    # Its public functions would start the backend, before the number of CPU devices is known.
    from jax._src.distributed import global_state

    # It would swallow the first SIGTERM, which is a run's request to stop.
    if "jax_enable_preemption_service" in jax.config.values:
        jax.config.update("jax_enable_preemption_service", False)
    options: dict[str, Any] = {"initialization_timeout": START_SECONDS, "heartbeat_timeout_seconds": HEARTBEAT_SECONDS}
    if flags.coordinator is not None:
        options |= {
            "coordinator_address": flags.coordinator,
            "num_processes": flags.processes,
            "process_id": flags.process_id,
            # Under Slurm it would still leave each process a single device.
            "cluster_detection_method": "deactivate",
        }
    try:
        jax.distributed.initialize(**options)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if "start RPC server" in reason:
            where = f"--coordinator {flags.coordinator}" if flags.coordinator else "--distributed"
            raise UsageError(f"{where}: the coordinator's port is in use on this machine") from error
        if flags.coordinator is not None:
            raise UsageError(f"--coordinator {flags.coordinator}: {reason}") from error
        if isinstance(error, ValueError):
            raise UsageError(
                "--distributed found no Slurm, Open MPI or Kubernetes job here; "
                "give --coordinator HOST:PORT, --processes and --process-id"
            ) from error
        raise UsageError(f"--distributed: {reason}") from error
    return Job(global_state.process_id, global_state.num_processes)


def _not_met(flags: JobFlags) -> str:
    where = "" if flags.coordinator is None else f" at --coordinator {flags.coordinator}"
    return (
        f"groove: the processes of the job did not meet{where} within {START_SECONDS} seconds; process 0 must be "
        "reachable there and all be started"
    )


def _leave_together() -> None:
    import jax

    jax.distributed.shutdown()


def _leave_alone(status: int) -> NoReturn:
    # JAX would wait at exit for processes that wait for this one.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)
