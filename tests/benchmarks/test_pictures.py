"""Pictures are drawn where there are readings, and deleted where there are none."""

from benchmarks.pictures import PICTURES, draw_all
from tests.benchmarks.handmade import bench, reading

FLOORS = ("products", "traffic")


def test_every_picture_is_drawn(tmp_path):
    readings = [reading("small", [1e6], section="worlds", metric="env steps", unit="1/s")]
    readings += [reading("A", [0.2], metric=metric) for metric in ("generation", *FLOORS)]
    for axis in ("population", "workers", "hidden size", "devices"):
        readings += [reading(f"{axis} {value}", [0.1 * value, 0.2], section="scaling") for value in (1, 2)]
    readings += [
        reading(f"population {value}", [9.0], section="scaling", metric="peak memory", unit="MB") for value in (1, 2)
    ]
    readings += [reading("population 1 to 2", [2.0], section="scaling", metric="times the seconds", unit="x")]
    drawn = draw_all(tmp_path, bench(*readings))
    assert [path.stem for path in drawn] == list(PICTURES)
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_pictures_of_an_earlier_benchmark_go(tmp_path):
    (tmp_path / "worlds.png").write_bytes(b"old")
    (tmp_path / "own.png").write_bytes(b"kept")
    assert draw_all(tmp_path, bench(reading("A, lives of 25", [3.0], metric="peak memory"))) == []
    assert [path.name for path in tmp_path.iterdir()] == ["own.png"]
