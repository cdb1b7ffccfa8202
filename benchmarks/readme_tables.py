"""Fills the tables of README.md and docs/ from the files in runs/published/: `make readme`."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.coverage import table as coverage
from benchmarks.dr_against_groove import markdown as comparison_table
from benchmarks.readings import read_bench
from benchmarks.settings import PAPER, SETTINGS
from benchmarks.tables import Rows, cell
from benchmarks.tables import markdown as pivot_table
from groove.records.json_lines import JsonLines
from groove.records.run_folder import RunFolder
from groove.scoring.closing_table import markdown, read_scores
from groove.scoring.intervals import bracketed
from groove.transfer.summary import CVAR_SHARES, rule_rows

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "runs" / "published"
BENCH_PATH = PUBLISHED / "bench" / "bench.json"


def run_table(name: str) -> str:
    """Return the closing table of a published run.

    Args:
        name: name of its folder in runs/published.

    Returns:
        A Markdown table.
    """
    return markdown(read_scores(PUBLISHED / name / "results.json"))


def compare_table() -> str:
    """Compare DR with GROOVE.

    Returns:
        A Markdown table.
    """
    return comparison_table(json.loads((PUBLISHED / "compare" / "comparison.json").read_text(encoding="utf-8")))


def bakeoff_table() -> str:
    """Compare all scores on one pool of levels.

    Returns:
        A Markdown table.
    """
    content = json.loads((PUBLISHED / "bakeoff" / "bakeoff.json").read_text(encoding="utf-8"))
    lines = ["| score | ρ exact regret | ρ retest | regret gained | seconds |", "|---|---:|---:|---:|---:|"]
    for row in content["verdicts"]:
        cells = [
            "–" if row[name] is None else f"{row[name]:.3f} ± {row[f'{name}_error']:.3f}"
            for name in ("regret_correlation", "retest_correlation", "regret_gain")
        ]
        lines.append(f"| {row['score']} | {' | '.join(cells)} | {row['seconds']:.2f} |")
    return "\n".join(lines)


def benchmark_summaries() -> dict[str, Any]:
    """Read what the published benchmarks found.

    Returns:
        Content of their summary.json, suite by suite.
    """
    folders = (PUBLISHED / "benchmark", PUBLISHED / "benchmark-minatar")
    summaries = [json.loads((folder / "summary.json").read_text(encoding="utf-8")) for folder in folders]
    return {suite: found for summary in summaries for suite, found in summary.items()}


def benchmark_table() -> str:
    """Compare a published rule with hand-written ones, suite by suite.

    Returns:
        A Markdown table.
    """
    lines = [
        "| suite | rule | IQM [95%] | mean | gap | P(rule better) [95%] | failed | steps/s | gradient steps |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for suite, found in benchmark_summaries().items():
        lines += [f"| {suite} | {' | '.join(cells)} |" for cells in rule_rows(found)]
    return "\n".join(lines)


def transfer_table() -> str:
    """Summarise the benchmark in one interval for each rule and suite.

    Returns:
        A Markdown table.
    """
    suites = benchmark_summaries()
    names = list(next(iter(suites.values()))["rules"])
    rows = [("suite, IQM [95%]", *names)]
    for suite, found in suites.items():
        rows.append((suite, *(bracketed(found["rules"][name]["iqm"]) for name in names)))
    return pivot_table(rows)


def worst_tenth_table() -> str:
    """Return the mean scores of the worst tenth of the held-out levels.

    Returns:
        A Markdown table.
    """
    (suite, found), *_ = benchmark_summaries().items()
    assert suite.partition("@")[0] == "grid-heldout"
    curves = found["cvar"]
    worst = (f"{curve[CVAR_SHARES.index(0.1)]:.3f}" for curve in curves.values())
    return pivot_table([("CVaR(10%)", *curves), (suite, *worst)])


def coverage_table() -> str:
    """List how often simulated intervals cover the truth.

    Returns:
        A Markdown table.
    """
    return pivot_table(coverage(json.loads((PUBLISHED / "coverage" / "coverage.json").read_text(encoding="utf-8"))))


def durations_table() -> str:
    """List what the generations of the published runs took.

    Returns:
        A Markdown table.
    """
    rows = [("run", "generations", "minutes", "seconds per generation, median")]
    for name in ("tiny", "laptop"):
        seconds = [row["seconds"] for row in JsonLines(RunFolder(PUBLISHED / name).timing_path).rows()]
        rows.append((name, str(len(seconds)), f"{sum(seconds) / 60:.1f}", f"{median(seconds):.2f}"))
    return pivot_table(rows)


def defaults_table() -> str:
    """List the worth of each combination of shape, learning rate and decay for hand-written rules.

    Returns:
        A Markdown table with a column for each rule and suite, the best mean of each kind of observation first.
    """
    tried: dict[tuple[str, ...], dict[str, float]] = {}
    for path in sorted((PUBLISHED / "baseline-defaults").glob("*.json")):
        for row in json.loads(path.read_text(encoding="utf-8")):
            kind = path.stem.partition("-")[0]
            name = (kind, f"{row['workers']} × {row['rollout_length']}", f"× {row['rate']:g}", f"{row['decay']:g}")
            found = tried.setdefault(name, {})
            found |= {f"{row['rule']}, {suite}": worth for suite, worth in row["worth"].items()}
    columns = sorted({column for found in tried.values() for column in found})
    lines: Rows = [("observations", "workers × steps", "learning rate", "decay", *columns, "mean")]
    means = {name: sum(found.values()) / len(found) for name, found in tried.items()}
    for name in sorted(tried, key=lambda name: (name[0], -means[name])):
        cells = (f"{tried[name][column]:.2f}" if column in tried[name] else "–" for column in columns)
        lines.append((*name, *cells, f"{means[name]:.2f}"))
    return pivot_table(lines)


def options_table() -> str:
    """Compare low-rank perturbations and less precise products with the default: quality and speed.

    Returns:
        A Markdown table.
    """
    bench, rows = read_bench(BENCH_PATH), [("search", *QUALITY.values(), "A [s]", "B [s]")]
    content = (PUBLISHED / "search-options" / "options.json").read_text(encoding="utf-8")
    for row in json.loads(content):
        arm, quality = row["arm"], [bracketed(list(row[name].values())) for name in QUALITY]
        names = [name if arm == "full" else f"{name}, {arm}" for name in SETTINGS]
        rows.append((arm, *quality, *(cell(bench.reading("generation", name, "generation")) for name in names)))
    return pivot_table(rows)


QUALITY = {"iqm": "IQM [95%]", "mean_less_full": "mean minus the default's [95%]"}
"""Columns of the table of search options by their names in the file."""

SPEED = (
    ("generation", "generation"),
    ("generation", "env steps"),
    ("generation", "generation / products"),
    ("curriculum", "GROOVE / DR"),
    ("generation", "compile, cold"),
    ("generation", "compile, warm"),
    ("generation", "peak memory"),
)
"""Section and metric that docs/performance.md shows for each setting."""

ONCE = (
    (
        "lives of log-uniform 10–250 updates, over their share of all 250",
        "generation",
        "TA",
        "generation / its share",
    ),
    ("the same, times faster than all 250", "generation", "TA", "times faster than all longest"),
    ("population 64 to 512, times the seconds", "scaling", "population 64 to 512", "times the seconds"),
    ("peak memory at population 8", "scaling", "population 8", "peak memory"),
    ("peak memory at population 1024", "scaling", "population 1024", "peak memory"),
    ("peak memory at population 64, GRU 256", "scaling", "GRU 256, full, population 64", "peak memory"),
    ("peak memory at population 512, GRU 256", "scaling", "GRU 256, full, population 512", "peak memory"),
    ("the same with low-rank perturbations", "scaling", "GRU 256, lowrank:1, population 512", "peak memory"),
    ("peak memory, lives of 25 updates", "generation", "A, lives of 25", "peak memory"),
    ("peak memory, lives of 1000 updates", "generation", "A, lives of 1000", "peak memory"),
)
"""Text, section, subject and metric of the other figures of docs/performance.md."""


def speed_table() -> str:
    """List seconds, ratios and memory of the settings that were measured.

    Returns:
        A Markdown table.
    """
    bench = read_bench(BENCH_PATH)
    measured = {reading.name for reading in bench.readings if reading.metric == "products"}
    names = [name for name in SETTINGS | PAPER if name in measured]
    rows = [("", *names)]
    for section, metric in SPEED:
        readings = [bench.reading(section, name, metric) for name in names]
        rows.append((f"{metric} [{readings[0].unit}]", *map(cell, readings)))
    return pivot_table(rows)


def scale_table() -> str:
    """Show how costs grow with lifetimes and population.

    Returns:
        A Markdown table.
    """
    bench = read_bench(BENCH_PATH)
    readings = {text: bench.reading(section, name, metric) for text, section, name, metric in ONCE}
    rows = [(f"{text} [{reading.unit}]", cell(reading)) for text, reading in readings.items()]
    return pivot_table([("", "measured"), *rows])


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"tiny": partial(run_table, "tiny"), "transfer": transfer_table},
    "docs/benchmark.md": {"coverage": coverage_table, "defaults": defaults_table},
    "docs/curricula.md": {"bakeoff": bakeoff_table, "compare": compare_table},
    "docs/performance.md": {"speed": speed_table, "scale": scale_table, "options": options_table},
    "docs/results.md": {
        "laptop": partial(run_table, "laptop"),
        "durations": durations_table,
        "benchmark": benchmark_table,
        "worst-tenth": worst_tenth_table,
    },
}
"""Tables between `<!-- NAME -->` and `<!-- /NAME -->`, by document and name."""


def filled(document: str) -> str:
    """Return a document with its tables filled in.

    Args:
        document: path from the project's root, a key of TABLES.

    Returns:
        Its text with the content of every marked place replaced.

    Raises:
        ValueError: a table has no place in the document, or more than one.
    """
    text = (ROOT / document).read_text(encoding="utf-8")
    for name, table in TABLES[document].items():
        content = f"<!-- {name} -->\n{table()}\n<!-- /{name} -->"
        text, count = re.subn(
            rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _, content=content: content, text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{document} must have one place <!-- {name} -->, got {count}")
    return text


def main() -> None:
    """Rewrite the documents with current tables."""
    for document in TABLES:
        (ROOT / document).write_text(filled(document), encoding="utf-8")


if __name__ == "__main__":
    main()
