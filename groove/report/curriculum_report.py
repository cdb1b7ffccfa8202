"""What a person reads about a curriculum: a summary, a table of three groups of levels, and why one level is drawn."""

import math
from typing import SupportsFloat

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from groove.report.curriculum_snapshot import Snapshot
from ued.curriculum import NOT_KEPT

UNKNOWN = "–"
DECIMALS = 3


def summary(snapshot: Snapshot) -> str:
    """Summarise the curriculum in a few lines.

    Args:
        snapshot: snapshot of the curriculum.

    Returns:
        Lines of text.
    """
    name = f"{snapshot.config.curriculum.curriculum} by {snapshot.score_name}"
    lines = [
        f"{name}, after generation {snapshot.generation}: {len(snapshot)} of {snapshot.capacity} levels kept, "
        f"{snapshot.num_evicted} evicted"
    ]
    if snapshot.config.curriculum.curriculum == "sfl":
        if not len(snapshot):
            lines.append(f"the first period of {snapshot.config.replay.sfl_period} generations is not over")
    elif len(snapshot) < snapshot.replay_from:
        lines.append(f"no level is replayed before {snapshot.replay_from} are kept")
    if snapshot.replay_from <= len(snapshot):
        parts = ", ".join(f"{share.sum():.1f} {name}" for name, share in snapshot.chances.items())
        lines.append(f"a batch replays {_counted(round(snapshot.chance.sum()), 'level')}: {parts}")
    return "\n".join(lines)


def groups(num_levels: int, num_rows: int) -> dict[str, list[int]]:
    """Choose the rows of the top, median and bottom levels, without repeating a row.

    Args:
        num_levels: number of levels n, in the order of their scores.
        num_rows: most rows in a group, ≥ 1.

    Returns:
        Rows in 0..n - 1 by name of the group; with few levels, the later groups are short or empty.
    """
    top = list(range(min(num_rows, num_levels)))
    bottom = list(range(max(num_levels - num_rows, len(top)), num_levels))
    first = max((num_levels - num_rows) // 2, len(top))
    median = list(range(first, min(first + num_rows, num_levels - len(bottom))))
    return {"top": top, "median": median, "bottom": bottom}


def table(snapshot: Snapshot, num_rows: int) -> Table:
    """Build a table of the top, median and bottom levels.

    Args:
        snapshot: snapshot, solved in the rows shown.
        num_rows: levels in each group, ≥ 1.

    Returns:
        A rich table, about 80 characters wide.
    """
    shown = Table(box=SIMPLE_HEAD, padding=0)
    # A score with an error is a regret, which has a column of its own; with a third, lines would be too long.
    columns = ["level", "ranked\nby" if snapshot.ranked_otherwise else "score"]
    columns += ["regret\n± s.e.", "anta-\ngonist", "agent", "opti-\nmum"]
    columns += ["age", "born", "visits", "parent", "chance"] if snapshot.counts_visits else ["born", "chance"]
    for column in columns:
        shown.add_column(column, justify="right", no_wrap=True)
    for group, rows in groups(len(snapshot), num_rows).items():
        if rows:
            shown.add_row(Text(group, style="bold", justify="left"))
        for row in rows:
            shown.add_row(*_cells(snapshot, row), end_section=row == rows[-1])
    return shown


def _cells(snapshot: Snapshot, row: int) -> list[str]:
    kept, extras = snapshot.kept, snapshot.kept.extras
    returns = (extras.antagonist_mean, kept.agent_return, extras.optimal_return)
    cells = [str(kept.identity[row]), number(snapshot.ranked[row])]
    cells += [regret_text(snapshot, row), *map(number, (values[row] for values in returns))]
    chance = f"{snapshot.chance[row]:.2%}"
    if not snapshot.counts_visits:
        return [*cells, str(kept.born[row]), chance]
    parent = UNKNOWN if kept.parent[row] == NOT_KEPT else str(kept.parent[row])
    return [*cells, str(kept.age[row]), str(kept.born[row]), str(kept.visits[row]), parent, chance]


def number(value: SupportsFloat) -> str:
    """Format a number with three decimals, or a dash if it is unknown.

    Args:
        value: any number; NaN and infinities are unknown.

    Returns:
        Text.
    """
    return f"{float(value):.{DECIMALS}f}" if math.isfinite(value) else UNKNOWN


def regret_text(snapshot: Snapshot, row: int) -> str:
    """Format a level's algorithmic regret ± its standard error.

    Args:
        snapshot: snapshot of the curriculum.
        row: row of the level.

    Returns:
        Text, a dash without antagonists.
    """
    error = float(snapshot.kept.extras.antagonist_standard_error[row])
    return f"{number(snapshot.regret[row])} ± {error:.3f}" if math.isfinite(error) else number(snapshot.regret[row])


def noise_note(snapshot: Snapshot, rows: list[int]) -> str | None:
    """Return what explains returns above the optimum, if there are any.

    Args:
        snapshot: snapshot, solved in these rows.
        rows: rows that are shown.

    Returns:
        One sentence, None if no return of an agent or antagonist is above the optimum as printed.
    """
    extras = snapshot.kept.extras
    shown = [extras.antagonist_mean, snapshot.kept.agent_return, extras.optimal_return]
    antagonist, agent, optimum = np.round(np.asarray(shown)[:, rows], DECIMALS)
    if not np.any((antagonist > optimum) | (agent > optimum)):
        return None
    return "Returns of agents and antagonists are means over few episodes; by noise they can exceed the exact optimum."


def why(snapshot: Snapshot, identity: int) -> str:
    """Describe what makes a level likely or unlikely to be drawn.

    Args:
        snapshot: snapshot of the curriculum.
        identity: identity of the level.

    Returns:
        Lines of text.

    Raises:
        ValueError: the level is not kept; the message says which ones are.
    """
    row = _row(snapshot, identity)
    kept, chance = snapshot.kept, float(snapshot.chance[row])
    may_be_drawn, num_drawable = bool(kept.available[row]), int(kept.available.sum())
    place = f"rank {snapshot.rank[row]} of {num_drawable} that may be drawn" if may_be_drawn else "may not be drawn"
    if not may_be_drawn:
        place += ": agents live on it" if kept.in_use[row] else ": it has no score"
    equal = max(float(snapshot.chance.sum()) / max(num_drawable, 1), 1e-12)
    entries = {
        "score": f"{number(kept.score[row])} ({snapshot.score_name})",
        "ranked by": f"{number(snapshot.ranked[row])}, {place}",
        "chance": f"{chance:.3%} of being in the next batch, {chance / equal:.3g} times an equal share",
    }
    entries |= {f"  {name}": f"{share[row]:.3%}" for name, share in snapshot.chances.items()}
    if snapshot.counts_visits:
        entries["age"] = f"{_counted(int(kept.age[row]), 'generation')} since it was last drawn or added"
        entries["visits"] = f"{_counted(int(kept.visits[row]), 'generation')} in which agents lived on it"
    if math.isfinite(snapshot.regret[row]):
        entries["regret"] = f"{regret_text(snapshot, row)} (algorithmic, ± standard error)"
    entries["born"] = f"in generation {kept.born[row]}"
    entries["parents"] = _parents(snapshot, identity)
    lines = [summary(snapshot), f"level {identity}"]
    return "\n".join(lines + [f"  {name:14s} {text}" for name, text in entries.items()])


def _row(snapshot: Snapshot, identity: int) -> int:
    identities = np.asarray(snapshot.kept.identity)
    if identity not in identities:
        there = "none"
        if len(identities):
            there = f"{_counted(len(identities), 'level')} with numbers in {identities.min()}..{identities.max()}"
        raise ValueError(f"level {identity} is not kept; kept: {there}")
    return int(np.flatnonzero(identities == identity)[0])


def _parents(snapshot: Snapshot, identity: int) -> str:
    """Return the chain of parents from a level to its earliest known ancestor."""
    parents = dict(zip(map(int, snapshot.kept.identity), map(int, snapshot.kept.parent), strict=True))
    chain = [identity]
    while parents.get(chain[-1], NOT_KEPT) != NOT_KEPT:
        chain.append(parents[chain[-1]])
    end = "freshly drawn" if chain[-1] in parents else "no longer kept"
    return f"{' ← '.join(map(str, chain))} ({end})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
