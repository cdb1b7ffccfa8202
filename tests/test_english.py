"""The words that make prose read as translated occur nowhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFUSED = re.compile(
    r"\b(anew|how manieth|the likes of|becomes? of|less (its|the|their)|(is|are|was|be) told|of what)\b"
)
WRITTEN = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(
        path
        for room in ("groove", "lpg", "ued", "levels", "benchmarks", "tests")
        for path in (ROOT / room).rglob("*.py")
    ),
]


def test_refused_expressions_occur_nowhere():
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in WRITTEN
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if REFUSED.search(line)
    ]
    assert not lines, "\n".join(lines)
