"""Prose reads as plain English: refused expressions occur nowhere, and docstrings of functions open with a verb."""

import ast
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
        for room in ("groove", "lpg", "ued", "levels", "benchmarks", "docs", "examples", "tests")
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


VERBS = re.findall(
    r"\w+",
    """
    Act Add Append Apply Ask Assign Average Bound Build Bring Call Check Choose Clip Close Collect Combine
    Compare Compile Complete Compute Configure Convert Copy Count Create Deal Decide Describe Discard Draw Drop
    Edit Embed Encode Estimate Evaluate Exit Export Fill Find Fit Fold Format Form Gather Give Go Group Handle
    Hash Hold Import Install Join Keep Launch Learn Let Limit List Live Load Lock Log Look Make Map Mark Match
    Measure Merge Move Name Normalise Observe Open Order Parse Pass Place Plan Plot Prepare Print Propose
    Publish Put Raise Rank Read Record Reduce Refuse Register Reject Release Remove Render Repeat Replace Replay
    Report Rescale Reset Resolve Restore Resume Return Rewrite Run Sample Save Say Score Search Seed Select Send
    Set Settle Share Show Shuffle Simulate Solve Sort Split Stack Start Step Stop Store Sum Summarise Take Tell
    Test Time Train Translate Tune Turn Update Use Validate Vary Visit Wait Walk Warm Weigh Wrap Write Yield
    """,
)
"""What the first word of a docstring may be."""


def public_functions(path):
    """Name and docstring of each public function and method; a property is a thing, and named like one."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        members = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        for function in members:
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("_") != (
                function.name == "__init__"
            ):
                continue
            if any("property" in ast.unparse(decorator) for decorator in function.decorator_list):
                continue
            yield function.name, ast.get_docstring(function)


def test_docstrings_of_public_functions_open_with_a_verb():
    rooms = ("groove", "lpg", "ued", "levels", "benchmarks", "examples")
    nouns = [
        f"{path.relative_to(ROOT)}: {name}: {docstring.splitlines()[0]}"
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        for name, docstring in public_functions(path)
        if docstring and docstring.split()[0].rstrip(",") not in VERBS
    ]
    assert not nouns, "\n".join(nouns)
