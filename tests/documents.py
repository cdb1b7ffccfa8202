"""What the documents of the project contain: code, command lines, links."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "runs/published/README.md")),
        *(ROOT / "docs").glob("*.md"),
    )
)


def text_of(document):
    """The text of a document, named by its path from the project's root."""
    return (ROOT / document).read_text(encoding="utf-8")


def code_blocks(document, language):
    """The fenced blocks of a document in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(document), re.DOTALL | re.MULTILINE)


def command_lines(document):
    """The arguments of each `groove` command in the shell blocks of a document, and in its inline code where whole."""
    lines = [line for block in code_blocks(document, "sh") for line in block.splitlines()]
    inline = re.findall(r"`(groove [a-z]+ [^`]*--[^`]*)`", re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL))
    found = []
    for line in lines + [line for line in inline if "…" not in line and "..." not in line]:
        command = re.search(r"(?:^|[\s/])(groove [^&#]*)", line.partition(" #")[0].replace("\n", " "))
        if command and not line.startswith("#"):
            found.append(shlex.split(command.group(1).replace("EXPERIMENT", "tiny"))[1:])
    return found


def links(document):
    """The targets of all links and pictures of a document, those in code left out."""
    plain = re.sub(r"```.*?```|`[^`\n]*`", "", text_of(document), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", plain)


def anchors(path):
    """The anchors of the headings of a Markdown file, as GitHub and the site form them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
