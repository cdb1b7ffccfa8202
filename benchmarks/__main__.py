"""Measure this project's speed on this machine.

    python -m benchmarks
    python -m benchmarks --only worlds generation --compare runs/published/bench/bench.json

Prints a table for each section as it finishes. Takes about twelve minutes on two cores; the machine should be
otherwise idle.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.comparison import compared
from benchmarks.own_process import MeasurementFailed, in_own_process
from benchmarks.readings import Bench, BenchFileError, read_bench, write_bench
from benchmarks.sections import SECTIONS
from benchmarks.tables import aligned, pivots


def measure(names: list[str], folder: Path) -> Bench:
    """Run sections, printing and writing each as it finishes.

    Args:
        names: names of the sections.
        folder: folder for bench.json and pictures, created if it does not exist.

    Returns:
        All readings.

    Raises:
        MeasurementFailed: a measuring process failed; the sections before it are written.
        OSError: the folder cannot be written.
    """
    # Not at the top, because it takes a second and a mistake in the flags should be reported at once.
    from benchmarks.pictures import draw_all

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        bench = Bench(in_own_process("benchmarks.machine:facts", cache), [])
        print(", ".join(f"{name} {value}" for name, value in bench.machine.items()))
        for name in names:
            print(f"==> {name}", flush=True)
            first = len(bench.readings)
            for readings in SECTIONS[name](bench.machine, cache):
                bench.readings.extend(readings)
                print(f"    measured {readings[0].name}", file=sys.stderr, flush=True)
            for rows in pivots(bench.readings[first:]):
                print(f"{aligned(rows)}\n", flush=True)
            write_bench(folder / "bench.json", bench)
    drawn = draw_all(folder, bench)
    print(f"wrote {folder / 'bench.json'} and {len(drawn)} pictures beside it")
    return bench


def main(arguments: list[str] | None = None) -> None:
    """Measure, write and compare.

    Args:
        arguments: command-line arguments; those of this process if None.

    Raises:
        SystemExit: something cannot be done; the message explains it in one line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ", ".join(SECTIONS)
    parser.add_argument("--only", nargs="+", metavar="SECTION", help=f"sections to run, from {known} (default: all)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/bench"),
        metavar="FOLDER",
        help="folder for bench.json and pictures, replacing earlier ones (default: runs/bench)",
    )
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="print ratios to an earlier bench.json")
    flags = parser.parse_args(arguments)
    unknown = [name for name in flags.only or () if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"unknown section {unknown[0]!r}; known: {known}")
    try:
        # Read first, because it may be the file that is replaced, and a bad file should fail before minutes are spent.
        old = None if flags.compare is None else read_bench(flags.compare)
        new = measure([name for name in SECTIONS if name in (flags.only or SECTIONS)], flags.out)
    except (BenchFileError, MeasurementFailed) as error:
        raise SystemExit(str(error)) from error
    except OSError as error:
        raise SystemExit(f"{error.filename or flags.out}: {error.strerror}") from error
    if old is not None:
        print(compared(old, new))


if __name__ == "__main__":
    main()
