"""Figures of an experiment: all are drawn, equal scores give equal files, and the numbers are those of the scores."""

from dataclasses import replace

import numpy as np
import pytest

from groove.transfer.figures import draw_all
from groove.transfer.summary import summarise
from tests.groove.transfer.handmade import TASKS, scores

NAMES = ("aggregates", "environments", "profiles", "curves", "cvar", "lifetimes")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """The same figures drawn twice."""
    folders = [tmp_path_factory.mktemp("figures") / name for name in ("first", "second")]
    summary = summarise(scores(), ["rule"], [])
    return [draw_all(folder, {"own": scores()}, {"own": summary}) for folder in folders]


def test_every_figure_is_written_as_png_and_svg(drawings):
    expected = {f"own-{name}.{ending}" for name in NAMES for ending in ("png", "svg")}
    assert {path.name for path in drawings[0]} == expected and len(drawings[0]) == 12
    assert all(path.stat().st_size > 2000 for path in drawings[0])
    assert drawings[0][0].read_bytes().startswith(b"\x89PNG") and b"<svg" in drawings[0][1].read_bytes()


def test_equal_scores_give_equal_files(drawings):
    for first, second in zip(*drawings, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_figures_show_the_numbers(drawn, tmp_path):
    made = scores()
    summary = summarise(made, ["rule"], [])
    draw_all(tmp_path, {"own": made}, {"own": summary})
    by_name = dict(zip(NAMES, drawn[::2], strict=True))
    line = by_name["curves"].axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [1 / 3, 2 / 3, 1])
    assert line.get_ydata()[-1] == pytest.approx(summary["rules"]["rule"]["iqm"][0], abs=1e-6)
    lifetimes = by_name["lifetimes"].axes[0].containers[0].lines[0]
    np.testing.assert_allclose(lifetimes.get_xdata(), [0.5, 1])
    np.testing.assert_allclose(by_name["cvar"].axes[0].lines[1].get_ydata(), summary["cvar"]["ppo"])
    bars = [patch.get_height() for patch in by_name["environments"].axes[3].patches]
    assert bars == pytest.approx([summary["returns"]["first"][rule][0] for rule in ("rule", "ppo")])
    profile = by_name["profiles"].axes[0].lines[1]
    assert np.interp(0.7, profile.get_xdata(), profile.get_ydata()) == pytest.approx(
        np.mean(made.final("ppo") > 0.7), abs=0.05
    )


def test_figures_of_one_lifetime_broken_agents_and_names_with_slashes(tmp_path):
    made = scores().at_lifetime(1.0)
    broken = made.curves["rule"].copy()
    broken[0, :, 0], broken[0, 0, 1, -1] = np.nan, np.nan
    made = replace(made, curves=made.curves | {"rule": broken}, returns=made.returns | {"rule": 10 * broken[..., -1]})
    found = {"gymnasium:ALE/Pong": summarise(made, ["rule"], [])}
    written = draw_all(tmp_path / "new", {"gymnasium:ALE/Pong": made}, found)
    names = {path.stem.removeprefix("gymnasium-ALE-Pong-") for path in written}
    assert names == {"aggregates", "environments", "profiles", "curves", "cvar"}
    assert all(path.parent == tmp_path / "new" and path.exists() for path in written)


@pytest.mark.parametrize("from_point", [0, 2])
def test_figures_of_a_rule_whose_agents_all_broke(tmp_path, from_point):
    made = scores()
    broken = made.curves["rule"].copy()
    broken[..., from_point:] = np.nan
    made = replace(made, curves=made.curves | {"rule": broken})
    assert len(draw_all(tmp_path, {"own": made}, {"own": summarise(made, ["rule"], [])})) == 12


def test_a_suite_without_tasks_has_no_figures(tmp_path):
    empty = replace(scores(), tasks=[], curves={}, returns={}, steps={}, excluded=TASKS)
    assert draw_all(tmp_path, {"own": empty}, {"own": summarise(empty, [], [])}) == []
