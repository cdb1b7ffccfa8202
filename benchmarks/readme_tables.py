"""Fills the tables of README.md from the files of runs/published/: `make readme`."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.dr_against_groove import markdown as comparison_table
from groove.table import markdown, read_scores
from groove.transfer.summary import rule_rows

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "runs" / "published"


def run_table(name: str) -> str:
    """Closing table of a published run.

    Args:
        name: folder in runs/published.

    Returns:
        A Markdown table.
    """
    return markdown(read_scores(PUBLISHED / name / "results.json"))


def compare_table() -> str:
    """The comparison of DR with GROOVE.

    Returns:
        A Markdown table.
    """
    return comparison_table(json.loads((PUBLISHED / "compare" / "comparison.json").read_text(encoding="utf-8")))


def bakeoff_table() -> str:
    """All scores on one pool of levels.

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


def benchmark_table() -> str:
    """A published rule against hand-written ones, suite by suite.

    Returns:
        A Markdown table.
    """
    folders = (PUBLISHED / "benchmark", PUBLISHED / "benchmark-minatar")
    summaries = [json.loads((folder / "summary.json").read_text(encoding="utf-8")) for folder in folders]
    lines = [
        "| suite | rule | IQM [95%] | mean | gap | P(rule better) [95%] | failed | steps/s | gradient steps |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for suite, found in (row for summary in summaries for row in summary.items()):
        lines += [f"| {suite} | {' | '.join(cells)} |" for cells in rule_rows(found)]
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "tiny": partial(run_table, "tiny"),
    "laptop": partial(run_table, "laptop"),
    "compare": compare_table,
    "bakeoff": bakeoff_table,
    "benchmark": benchmark_table,
}
"""What stands between `<!-- NAME -->` and `<!-- /NAME -->` in the README."""


def filled(text: str) -> str:
    """A README with its tables made anew.

    Args:
        text: of the README.

    Returns:
        The text with the content of every marked place replaced.

    Raises:
        ValueError: a table has no place, or more than one.
    """
    for name, table in TABLES.items():
        content = f"<!-- {name} -->\n{table()}\n<!-- /{name} -->"
        text, count = re.subn(
            rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _, content=content: content, text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"README.md must have one place <!-- {name} -->, got {count}")
    return text


def main() -> None:
    """Write README.md."""
    path = ROOT / "README.md"
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
