"""Draws the pictures in runs/published/ again from the numbers beside them: `make pictures`."""

import json
from pathlib import Path

from benchmarks.pictures import draw_all as draw_bench
from benchmarks.readings import read_bench
from benchmarks.readme_tables import BENCH_PATH, PUBLISHED
from groove.records.json_lines import JsonLines
from groove.transfer.contestants import HAND_WRITTEN
from groove.transfer.figures import draw_all
from groove.transfer.results import read_results
from groove.transfer.scores import suite_scores
from groove.transfer.suites import SUITES
from groove.transfer.summary import summarise
from lpg.atomic_file import replacing

EXPERIMENTS = ("benchmark", "benchmark-minatar")


def redraw(folder: Path) -> list[Path]:
    """Summarise an experiment again from its raw returns and draw its figures, whichever version recorded it.

    Args:
        folder: folder with results.csv and timing.jsonl of suites by name; summary.json and figures/ are written.

    Returns:
        The PNG files, none if the suites have had another version since: their levels cannot be drawn again.
    """
    rows, timing = read_results(folder / "results.csv"), JsonLines(folder / "timing.jsonl").rows()
    suites = dict.fromkeys(row.suite for row in rows)
    current = {suite.label(name): suite for name, suite in SUITES.items()}
    if past := [suite for suite in suites if suite not in current]:
        print(f"{folder}: left as it was recorded, in another version of {', '.join(past)}")
        return []
    scores, summary = {}, {}
    for suite in suites:
        own = suite_scores(current[suite].build(suite), [row for row in rows if row.suite == suite])
        learned = [rule for rule in own.returns if rule not in HAND_WRITTEN]
        scores[suite] = own
        summary[suite] = summarise(own, learned, [row for row in timing if row["suite"] == suite])
    with replacing(folder / "summary.json") as new:
        new.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    drawn = draw_all(folder / "figures", scores, summary)
    # Only the PNG files are published.
    for path in drawn:
        if path.suffix == ".svg":
            path.unlink()
    return [path for path in drawn if path.suffix == ".png"]


def main() -> None:
    """Draw all published pictures and print their paths."""
    drawn = [path for name in EXPERIMENTS for path in redraw(PUBLISHED / name)]
    for path in [*drawn, *draw_bench(BENCH_PATH.parent, read_bench(BENCH_PATH))]:
        print(path)


if __name__ == "__main__":
    main()
