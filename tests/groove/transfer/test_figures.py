"""Figures of an experiment: all are drawn, equal scores give equal files, and the numbers are those of the scores."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from groove.transfer.figures import cvar, draw_all, profiles
from groove.transfer.summary import EXACT, LEVELS, RUNS, summarise
from tests.groove.transfer.handmade import TASKS, scores

NAMES = ("aggregates", "environments", "profiles", "curves", "cvar", "lifetimes")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """The same figures drawn twice, in a low resolution."""
    folders = [tmp_path_factory.mktemp("figures") / name for name in ("first", "second")]
    made = scores(tasks=TASKS[::2])
    summary = summarise(made, ["rule"], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groove.transfer.figures.DOTS_PER_INCH", 30)
        return [draw_all(folder, {"own": made}, {"own": summary}) for folder in folders]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were laid out, in their order, each with an empty file in place of every picture."""
    figures = {}

    def keep(figure, path, **settings):
        if figure not in figures:
            figure.draw_without_rendering()
        figures[figure] = None
        path.touch()

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


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
    by_name = dict(zip(NAMES, drawn, strict=True))
    line = by_name["curves"].axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [1 / 3, 2 / 3, 1])
    assert line.get_ydata()[-1] == pytest.approx(summary["rules"]["rule"]["iqm"][0], abs=1e-6)
    lifetimes = by_name["lifetimes"].axes[0].containers[0].lines[0]
    np.testing.assert_allclose(lifetimes.get_xdata(), [0.5, 1])
    np.testing.assert_allclose(by_name["cvar"].axes[0].lines[1].get_ydata(), summary["cvar"]["ppo"])
    panels = by_name["environments"].axes
    assert [axes.get_title() for axes in panels] == ["first", "second", "third"], "one panel for all lifetimes"
    bars = [patch.get_height() for patch in panels[0].patches]
    shown = [summary["returns"][name][rule][0] for name in ("first x 0.5", "first") for rule in ("rule", "ppo")]
    assert bars == pytest.approx(shown)
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["0.5", "1"]
    profile = by_name["profiles"].axes[0].lines[1]
    assert np.interp(0.7, profile.get_xdata(), profile.get_ydata()) == pytest.approx(
        np.mean(made.final("ppo") > 0.7), abs=0.05
    )


def faults(figure):
    """What lies partly outside a figure that was laid out, or below its legend."""
    width, height = figure.bbox.size
    boxes = {f"axes {axes.get_title()}": axes.get_tightbbox() for axes in figure.axes if axes.axison}
    legends = {f"legend {i}": legend.get_window_extent() for i, legend in enumerate(figure.legends)}
    covered = [f"{name} under the legend" for name, box in boxes.items() if any(map(box.overlaps, legends.values()))]
    boxes |= legends | {text.get_text(): text.get_window_extent() for text in figure.texts}
    ends = {name: (-min(box.x0, box.y0), box.x1 - width, box.y1 - height) for name, box in boxes.items()}
    return covered + [name for name, beyond in ends.items() if max(beyond) > 1]


@pytest.mark.parametrize(("exact", "num_environments", "factors"), [(True, 11, (0.25, 1.0, 4.0)), (False, 1, (1.0,))])
def test_no_text_is_cut_and_units_are_named(drawn, tmp_path, exact, num_environments, factors):
    tasks = [(f"maze_with_a_name_{i}", factor, -1) for factor in factors for i in range(num_environments)]
    made = scores(("rule", "ppo", "a2c"), tasks, exact)
    draw_all(tmp_path, {"grid-heldout": made}, {"grid-heldout": summarise(made, ["rule"], [])})
    assert [fault for figure in drawn for fault in faults(figure)] == []
    by_name = dict(zip(NAMES, drawn, strict=False))
    unit = "0 = random actions, 1 = " + ("best policy" if exact else "PPO or best policy")
    for name in set(by_name) - {"environments"}:
        assert unit in " ".join(text.get_text() for text in by_name[name].findobj(Text)), name
    assert by_name["environments"].get_supylabel().startswith("sum of rewards in an episode")
    assert sum(axes.axison for axes in by_name["environments"].axes) == num_environments
    for name in set(by_name) - {"aggregates"}:
        assert [text.get_text() for text in by_name[name].legends[0].get_texts()] == ["rule", "ppo", "a2c"]


@pytest.mark.parametrize("over", [RUNS, LEVELS])
def test_the_cvar_figure_says_what_the_worst_are(over):
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    found = {"rules": {"rule": {}}, "normalised_by": EXACT, "cvar_over": over, "cvar": {"rule": [0.5] * 100}}
    cvar(figure.subplots(), found)
    figure.draw_without_rendering()
    label = figure.axes[0].get_xlabel()
    assert label.startswith(f"worst α% of the {over}") and ("curves can fall" in label) == (over == LEVELS)
    assert faults(figure) == []


@pytest.mark.parametrize(
    ("highest", "exact", "explained"), [(1.2, True, True), (1.0, True, False), (1.2, False, False)]
)
def test_profiles_explain_scores_above_the_best_policy(highest, exact, explained):
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    made = scores(exact=exact)
    curve = np.full_like(made.curves["ppo"], 0.5)
    curve[0, 0, -1] = highest
    profiles(figure.subplots(), replace(made, curves={"ppo": curve}))
    figure.draw_without_rendering()
    assert ("by noise they can exceed 1" in figure.axes[0].get_xlabel()) == explained and faults(figure) == []


def test_figures_of_one_lifetime_and_names_with_slashes(drawn, tmp_path):
    made = scores().at_lifetime(1.0)
    found = {"gymnasium:ALE/Pong": summarise(made, ["rule"], [])}
    written = draw_all(tmp_path / "new", {"gymnasium:ALE/Pong": made}, found)
    names = {path.stem.removeprefix("gymnasium-ALE-Pong-") for path in written}
    assert names == {"aggregates", "environments", "profiles", "curves", "cvar"}
    assert all(path.parent == tmp_path / "new" and path.exists() for path in written)


def test_a_suite_without_tasks_has_no_figures(tmp_path):
    empty = replace(scores(), tasks=[], curves={}, returns={}, steps={}, excluded=TASKS)
    assert draw_all(tmp_path, {"own": empty}, {"own": summarise(empty, [], [])}) == []
