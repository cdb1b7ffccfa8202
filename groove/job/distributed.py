"""A job: processes on one or more machines that run one program on JAX's distributed runtime."""

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
"""Seconds within which all processes of a job must connect."""

HEARTBEAT_SECONDS = 30
"""Seconds without a heartbeat after which a process counts as dead."""

LOST_PROCESS = re.compile(r"Gloo|NCCL|CoordinationService|coordination service|[Hh]eartbeat")
"""Matches errors of JAX's runtime that another process caused."""


@dataclass(frozen=True)
class JobFlags:
    """Whether a command is a process of a job, and which one; not part of a run's config."""

    distributed: bool = False
    """Run as one process of a job on several devices or machines, each started with the same command; under Slurm,
    Open MPI and Kubernetes the three flags below are detected automatically."""
    coordinator: str | None = None
    """HOST:PORT at which all processes can reach process 0; the port must be free."""
    processes: int | None = None
    """Number of processes in the job."""
    process_id: int | None = None
    """Index of this process, from 0; process 0 writes the run's folder."""

    def __post_init__(self) -> None:
        given = {"--coordinator": self.coordinator, "--processes": self.processes, "--process-id": self.process_id}
        missing = [flag for flag, value in given.items() if value is None]
        if not self.distributed and len(missing) < len(given):
            present = next(flag for flag in given if flag not in missing)
            raise ValueError(f"{present} goes with --distributed")
        if 0 < len(missing) < len(given):
            raise ValueError(f"--coordinator, --processes and --process-id go together; {missing[0]} is missing")
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
    """The place of this process in its job; a run outside a job is a job of one process.

    Attributes:
        process_id: index of this process.
        num_processes: number of processes in the job.
    """

    process_id: int = 0
    num_processes: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process keeps the run's folder and reports its progress."""
        return self.process_id == 0

    def tell(self, mine: str) -> list[str]:
        """Share a text on which the processes must agree; call once, before the first use of a device.

        Args:
            mine: text of this process.

        Returns:
            On the writing process, the texts of all processes, its own first; on the others, the writer's text.
        """
        if self.num_processes == 1:
            return [mine]
        # Uses the coordination service's key-value store: collectives need devices, whose number the texts may decide.
        from jax._src.distributed import global_state

        client: Any = global_state.client
        client.key_value_set(f"groove/{self.process_id}", mine)
        others = range(self.num_processes) if self.writes else [0]
        return [client.blocking_key_value_get(f"groove/{number}", START_SECONDS * 1000) for number in others]


@contextmanager
def job(flags: JobFlags, run: Path | None) -> Iterator[Job]:
    """Join a job. Enter before anything starts JAX's backend, and do nothing after the body.

    All processes wait for each other at the end of the body. A process whose body raises exits at once,
    and makes the others exit too; each of those reports in one line that another process has ended.

    Args:
        flags: flags that say whether there is a job, and which process this is.
        run: folder of the run, for messages; None if only the writing process knows it.

    Yields:
        The place of this process in the job.
    """
    if not flags.distributed:
        yield Job()
        return

    def lost(reason: str) -> str:
        """Return the line that reports a lost process."""
        return (
            f"groove: another process of the job has ended or cannot be reached ({reason}); "
            f"resume the run from its last checkpoint with: groove resume {run or 'RUN'}"
        )

    supervise(lost, _not_met(flags))
    try:
        place = _connect(flags)
        if not place.writes:
            # Only the writing process reports progress.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        yield place
        _leave_together()
    except (CommandError, KeyboardInterrupt, BrokenPipeError) as error:
        _leave_alone(report(error))
    except BaseException as error:
        if LOST_PROCESS.search(str(error)):
            # One write: print writes the newline separately, and the runtime may end the process in between.
            os.write(2, f"{lost(str(error).splitlines()[0])}\n".encode())
        else:
            traceback.print_exc()
        _leave_alone(1)


def _connect(flags: JobFlags) -> Job:
    # Errors of the runtime alone: jax 0.8 has no way to leave the preemption service off, which warns at every end.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    # JAX's public functions would start the backend before the number of CPU devices is known.
    from jax._src.distributed import global_state

    # This service would swallow the first SIGTERM, which asks a run to stop.
    if "jax_enable_preemption_service" in jax.config.values:
        jax.config.update("jax_enable_preemption_service", False)
    options: dict[str, Any] = {"initialization_timeout": START_SECONDS, "heartbeat_timeout_seconds": HEARTBEAT_SECONDS}
    if flags.coordinator is not None:
        options |= {
            "coordinator_address": flags.coordinator,
            "num_processes": flags.processes,
            "process_id": flags.process_id,
            # Otherwise JAX would still leave each process a single device under Slurm.
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
        f"groove: the processes of the job did not connect{where} within {START_SECONDS} seconds; start all of "
        "them, and make sure that they can reach process 0"
    )


def _leave_together() -> None:
    import jax

    jax.distributed.shutdown()


def _leave_alone(status: int) -> NoReturn:
    # At exit, JAX would wait for processes that are waiting for this one.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)
