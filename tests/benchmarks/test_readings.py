"""Readings and the file that keeps them."""

import json

import pytest

from benchmarks.readings import BenchFileError, read_bench, write_bench
from tests.benchmarks.handmade import bench, reading


def test_reading_has_median_and_ends():
    row = reading("A", [3.0, 1.0, 2.5, 7.0])
    assert (row.median, row.min, row.max, row.repeats) == (2.75, 1.0, 7.0, 4)


def test_file_gives_back_what_was_written(tmp_path):
    written = bench(reading("A", [1.0, 2.0], population=16), reading("ä", [3.0], unit="x"))
    write_bench(tmp_path / "bench.json", written)
    assert read_bench(tmp_path / "bench.json") == written


def test_file_is_a_flat_list_with_a_line_for_each_reading(tmp_path):
    write_bench(tmp_path / "bench.json", bench(reading("A", [1.0], population=16), reading("B", [2.0])))
    text = (tmp_path / "bench.json").read_text(encoding="utf-8")
    assert json.loads(text)["readings"][0] == {
        "section": "generation",
        "name": "A",
        "metric": "generation",
        "unit": "s",
        "median": 1.0,
        "min": 1.0,
        "max": 1.0,
        "repeats": 1,
        "settings": {"population": 16},
    }
    assert len(text.splitlines()) == 6


def test_reading_is_found_by_its_name():
    content = bench(reading("A", [1.0]), reading("B", [2.0]))
    assert content.reading("generation", "B", "generation").median == 2.0
    with pytest.raises(BenchFileError, match="no reading generation / C / generation"):
        content.reading("generation", "C", "generation")


def _foreign(text):
    def spoil(path):
        path.write_text(text, encoding="utf-8")

    return spoil


def _altered(change):
    def spoil(path):
        write_bench(path, bench(reading("A", [1.0])))
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (_foreign("seconds: 3"), "not a JSON file"),
        (_foreign("[1, 2]"), "not a file of this benchmark"),
        (_foreign('{"verdicts": []}'), "not a file of this benchmark"),
        (_altered(lambda content: content.update(format="groove bench 0")), "not a file of this benchmark"),
        (_altered(lambda content: content.update(readings={})), "readings a list"),
        (_altered(lambda content: content.pop("machine")), "machine must be an object"),
        (_altered(lambda content: content["readings"][0].pop("unit")), "reading 0 must have the fields"),
        (_altered(lambda content: content["readings"][0].update(host="x")), "reading 0 must have the fields"),
        (_altered(lambda content: content["readings"][0].update(median="1")), "median of reading 0 cannot be '1'"),
        (_altered(lambda content: content["readings"][0].update(repeats=1.5)), "repeats of reading 0 cannot be 1.5"),
        (_altered(lambda content: content["readings"][0].update(settings=[])), "settings of reading 0"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, spoil, message):
    path = tmp_path / "old.json"
    spoil(path)
    with pytest.raises(BenchFileError, match=message) as error:
        read_bench(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
