"""README and docs say what is so: figures come from published runs, commands, code, names and links are understood."""

import json
import pkgutil
import re
from pathlib import Path
from urllib.parse import urlsplit

import jax
import pytest
import tyro
import yaml

from benchmarks.readme_tables import TABLES, filled
from groove import EXPERIMENTS, SUITES, __version__
from groove.commands.main import COMMANDS, main
from groove.discovery.curricula import CURRICULA
from groove.records.locked_folder import LOCK_NAME
from groove.records.run_folder import RunFolder
from lpg.rules.lpg import LPG
from lpg.saved_rules import load_rule
from lpg.settings import RESIDUAL_FEATURES, RESIDUAL_OUTPUTS, RuleSettings
from lpg.tensor_file import named_leaves
from tests.documents import DOCUMENTS, ROOT, anchors, code_blocks, command_lines, links, text_of
from ued.scores import SCORES

README = text_of("README.md")
PUBLISHED = sorted(path.parent.name for path in (ROOT / "runs" / "published").glob("*/results.json"))
every_document = pytest.mark.parametrize("document", DOCUMENTS)


@pytest.mark.parametrize("document", TABLES)
def test_documents_show_the_tables_of_published_runs(document):
    assert filled(document) == text_of(document)


def test_every_published_run_has_its_table():
    assert set(PUBLISHED) <= {table for tables in TABLES.values() for table in tables}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rule_can_be_read(name):
    rule, meta_params, provenance = load_rule(ROOT / "runs" / "published" / name / "rule.safetensors")
    assert rule.prediction_size == provenance["config"]["prediction_size"]
    assert meta_params


def test_readme_is_short():
    assert len(README.splitlines()) <= 180


class Understood(BaseException):
    """A command line that the parser has taken; no command catches it."""


@pytest.fixture
def parse(monkeypatch):
    """Run a command up to the end of its parsing."""
    real = tyro.cli

    def cli(*arguments, **options):
        real(*arguments, **options)
        raise Understood

    monkeypatch.setattr(tyro, "cli", cli)

    def parsed(arguments):
        try:
            return main(arguments) == 0
        except Understood:
            return True
        except SystemExit as end:  # --help
            return not end.code

    return parsed


@every_document
def test_command_lines_are_understood(document, parse, capsys):
    for arguments in command_lines(document):
        assert parse(arguments), f"{arguments}: {capsys.readouterr().err}"


def test_command_lines_are_found_and_a_wrong_one_is_not_understood(parse):
    assert ["train", "laptop"] in command_lines("README.md")
    assert ["evaluate", "laptop", "--suite", "mazes"] in command_lines("README.md")
    assert not parse(["train", "tiny", "--curiculum", "dr"])
    assert not parse(["evaluate", "laptop", "--seeds", "many"])


@every_document
def test_named_commands_and_targets_exist(document):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"`groove ([a-z]+)", text_of(document)):
        assert name in COMMANDS
    for target in re.findall(r"(?:`|^)make ([a-z]+)", text_of(document), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@every_document
def test_python_code_runs(document, monkeypatch, capsys):
    if document == "README.md":
        return  # tests/test_faces.py runs it: it is the use that lpg shows
    monkeypatch.chdir(ROOT)
    for block in code_blocks(document, "python"):
        exec(compile(block, document, "exec"), {})


def test_readme_has_no_python_but_the_use_of_lpg():
    assert len(code_blocks("README.md", "python")) == 1


@every_document
def test_named_functions_exist(document):
    if document == "CHANGELOG.md":
        return  # names what is gone
    for name in re.findall(r"`((?:groove|lpg|levels|ued)\.[A-Za-z_]+(?:\.[A-Za-z_0-9]+)*)", text_of(document)):
        pkgutil.resolve_name(name)


@every_document
def test_named_files_exist(document):
    for name in re.findall(r"`((?:levels|lpg|ued|groove|tests|benchmarks|examples|docs)/[\w/.]*)`", text_of(document)):
        assert (ROOT / name).exists() or name == "docs/_build/html", name


@every_document
def test_links_lead_somewhere(document):
    for link in links(document):
        target = urlsplit(link)
        if target.scheme:
            assert target.scheme in ("http", "https") and target.netloc
            continue
        path = (ROOT / document).parent / target.path if target.path else ROOT / document
        assert path.exists(), link
        assert not target.fragment or target.fragment in anchors(path), link


@pytest.mark.parametrize(
    ("document", "title", "known"),
    [
        ("README.md", "experiment", EXPERIMENTS),
        ("README.md", "`--curriculum`", CURRICULA),
        ("docs/curricula.md", "`--curriculum`", CURRICULA),
        ("docs/curricula.md", "score", SCORES),
        ("docs/residual-rules.md", "`--features`", RESIDUAL_FEATURES),
        ("docs/residual-rules.md", "`--outputs`", RESIDUAL_OUTPUTS),
        ("docs/benchmark.md", "suite", SUITES),
    ],
)
def test_table_names_all_there_are(document, title, known):
    table = re.search(rf"^\| {title} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text_of(document), re.MULTILINE)
    assert re.findall(r"^\| `([^`]+)`", table.group(1), re.MULTILINE) == list(known)


def first_cells(document, title):
    """Names in the first column of the tables of a document under a title."""
    tables = re.findall(rf"^\| {title} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text_of(document), re.MULTILINE)
    return [name for table in tables for row in table.splitlines() for name in re.findall("`(.+?)`", row.split("|")[1])]


def test_run_folder_names_every_file():
    files = {path.name for name, path in vars(RunFolder("runs/NAME")).items() if name.endswith("_path")}
    assert files | {LOCK_NAME} <= {name.rstrip("/") for name in first_cells("docs/run-folder.md", "file")}


def test_run_folder_names_the_columns_of_metrics():
    columns = set()
    for name in PUBLISHED:
        lines = (ROOT / "runs" / "published" / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        columns |= {column for line in lines for column in json.loads(line)}
    assert set(first_cells("docs/run-folder.md", "column")) == columns


@pytest.mark.parametrize(("cell", "rule", "num_gates", "num_inputs"), [("gru", "lpg", 3, 5), ("lstm", "ta-lpg", 4, 7)])
def test_run_folder_names_the_tensors_of_rules(cell, rule, num_gates, num_inputs):
    settings = RuleSettings(rule, cell, hidden_size=11, embedding_size=13, prediction_size=17)
    tensors = named_leaves(jax.eval_shape(LPG(settings).init, jax.random.key(0)))
    sizes = {"X": num_inputs, "G": num_gates, "H": 11, "E": 13, "Y": 17}
    rows = re.findall(r"^\| `(\w+/\w+)` \| (\[.+?\]) \|", text_of("docs/run-folder.md"), re.MULTILINE)
    shapes = {name: tuple(eval(shape.replace("·", "*"), {}, sizes)) for name, shape in rows}
    if cell == "lstm":
        del shapes["recurrence/candidate_bias"]
    assert {name: leaf.shape for name, leaf in tensors.items()} == shapes
    assert {str(leaf.dtype) for leaf in tensors.values()} == {"float32"}


def test_citation_file_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["authors"] and citation["message"] and citation["title"]
    assert citation["version"] == __version__
    assert f"version = {{{__version__}}}" in README


def test_no_document_lies_outside_the_site():
    index = text_of("docs/index.md")
    for path in Path(ROOT / "docs").rglob("*.md"):
        name = str(path.relative_to(ROOT / "docs").with_suffix(""))
        assert "_build" in name or name == "index" or f"\n{name}\n" in index, name
