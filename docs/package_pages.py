"""A Sphinx extension: the page of each package in reference/ is made from its stub file and its docstrings."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from sphinx.util import logging

ROOT = Path(__file__).parent.parent
PACKAGES = ("levels", "lpg", "ued", "groove")
FIELD = re.compile(r"^(?:    # (.+)\n)?    (\w+): [^=#\n]+(?:= [^#\n]+)?(?:# (.+))?$", re.MULTILINE)
"""A field of a pytree; a comment above or behind it gives its shape and its meaning."""

COLON = "\N{MODIFIER LETTER COLON}"
"""Stands for a colon while napoleon reads the docstring of a constant."""


def modules(package: str) -> list[str]:
    """Return the full names of a package's modules, without its entry point."""
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    return sorted(module.name for module in found if not module.ispkg and not module.name.endswith("__main__"))


def catalogue(package: str) -> dict[str, str]:
    """Return the names that a package offers, with the module that defines each, from its stub file."""
    stub = ast.parse((ROOT / package / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}


def page(package: str) -> str:
    """Return a package's page in Markdown: what it is, how it is used, its catalogue, its modules."""
    opening, _, use = (importlib.import_module(package).__doc__ or "").partition("::\n\n")
    lines = [f"# {package}", "", f"{opening}:", "", "```python", dedent(use).strip(), "```", "", "## Catalogue", ""]
    lines += ["| name | what it is | defined in |", "|---|---|---|"]
    for name, module in catalogue(package).items():
        found = getattr(importlib.import_module(package), name)
        summary = (inspect.getdoc(found) or "").splitlines()[0] if callable(found) else f"A {type(found).__name__}."
        summary = summary.replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| {{py:obj}}`{package}.{name} <{module}.{name}>` | {summary} | {{py:mod}}`{module}` |")
    for module in modules(package):
        lines += ["", f"## {module}", "", "```{eval-rst}", f".. automodule:: {module}", "```"]
    return "\n".join(lines) + "\n"


def fill_page(app: Any, docname: str, source: list[str]) -> None:
    """Replace the text of a page in reference/ that has a package's name."""
    del app
    folder, _, name = docname.rpartition("/")
    if folder == "reference" and name in PACKAGES:
        source[0] = page(name)


def list_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add the fields of a pytree, which are documented by comments, to its docstring."""
    del app, name, options
    if what == "class" and hasattr(obj, "__dataclass_fields__") and "Attributes:" not in lines:
        fields = [(name, above or behind) for above, name, behind in FIELD.findall(inspect.getsource(obj))]
        described = [f"    {name}: {comment}" for name, comment in fields if comment]
        lines += ["", "Attributes:", *described, ""] if described else []


def keep_plain_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape what plain text has in common with reStructuredText: |x|, 2*A, max_, --flag, "Y.".

    Sphinx may call this twice on the same lines.
    """
    del app, name, obj, options
    for number, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        parts[::2] = [re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"``\1``", part) for part in parts[::2]]
        parts[::2] = [re.sub(r"(?<!\\)([|*]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[number] = re.sub(r"(^\s*|: )(\w)\.(?=\s|$)", r"\1\2\\.", "".join(parts))
    if what in ("data", "attribute", "property") and lines:
        lines[0] = lines[0].replace(":", COLON)


def restore_colons(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put back the colons that napoleon would have taken for the end of a type."""
    del app, what, name, obj, options
    lines[:] = [line.replace(COLON, ":") for line in lines]


def check_catalogues(app: Any, env: Any) -> None:
    """Warn of names in a catalogue that the reference does not describe, so that their links lead nowhere."""
    del app
    described = env.get_domain("py").objects
    for package in PACKAGES:
        for name, module in catalogue(package).items():
            if f"{module}.{name}" not in described:
                logging.getLogger(__name__).warning(f"{package}.{name}: {module}.{name} has no docstring")


def setup(app: Any) -> None:
    """Connect the functions above to Sphinx, before and after napoleon."""
    app.connect("env-check-consistency", check_catalogues)
    app.connect("source-read", fill_page)
    app.connect("autodoc-process-docstring", list_fields, priority=100)
    app.connect("autodoc-process-docstring", keep_plain_text, priority=200)
    app.connect("autodoc-process-docstring", restore_colons, priority=900)
