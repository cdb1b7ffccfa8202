"""Two benchmarks side by side."""

from benchmarks.comparison import compared
from benchmarks.readings import read_bench, write_bench
from tests.benchmarks.handmade import bench, reading


def _row(text, key):
    rows = [line for line in text.splitlines() if line.startswith(f"{key} ")]
    assert len(rows) == 1
    return rows[0].split()[-4:]


def test_ratios_are_new_over_old_of_the_files(tmp_path):
    write_bench(tmp_path / "old.json", bench(reading("A", [2.0, 4.0, 9.0]), reading("B", [10.0])))
    write_bench(tmp_path / "new.json", bench(reading("A", [1.0]), reading("B", [25.0])))
    text = compared(read_bench(tmp_path / "old.json"), read_bench(tmp_path / "new.json"))
    assert _row(text, "generation / A / generation") == ["4", "1", "s", "0.250"]
    assert _row(text, "generation / B / generation") == ["10", "25", "s", "2.500"]


def test_readings_of_one_file_are_named():
    text = compared(bench(reading("A", [1.0]), reading("B", [1.0])), bench(reading("A", [1.0]), reading("C", [1.0])))
    assert "only in old: generation / B / generation" in text.splitlines()
    assert "only in new: generation / C / generation" in text.splitlines()
    assert "only in old: generation / A / generation" not in text


def test_readings_of_other_settings_or_units_have_no_ratio():
    old = bench(reading("A", [1.0], population=16), reading("B", [1.0]))
    new = bench(reading("A", [1.0], population=32), reading("B", [1.0], unit="ms"))
    text = compared(old, new)
    assert "new / old" not in text
    assert "nothing to compare" in text.splitlines()
    assert "other settings, not compared: generation / A / generation" in text.splitlines()
    assert "other settings, not compared: generation / B / generation" in text.splitlines()


def test_other_machines_are_reported_but_not_other_dates():
    old = bench(reading("A", [1.0]))
    assert "different machines" not in compared(old, bench(reading("A", [1.0]), date="2027-01-01"))
    text = compared(old, bench(reading("A", [1.0]), backend="gpu", device="H200"))
    assert "measured on different machines: backend, device" in text.splitlines()
    assert _row(text, "generation / A / generation")[-1] == "1.000"


def test_nothing_is_divided_by_zero():
    assert (
        _row(compared(bench(reading("A", [0.0])), bench(reading("A", [1.0]))), "generation / A / generation")[-1] == "–"
    )
