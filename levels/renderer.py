"""Pictures of levels, as text and as RGB arrays."""

import math
import string
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from levels.ascii_map import START, draw_map
from levels.level import UNUSED, Level
from levels.worlds.random_grid import NOWHERE, RandomGridState
from levels.worlds.tabular_grid import GridState

AGENT = "@"
SUPERSAMPLE = 4
FLOOR, LINE, WALL = (244, 243, 239), (222, 220, 214), (62, 66, 74)
INK, WHITE, AGENT_FILL = (24, 24, 28), (255, 255, 255), (240, 228, 66)
POSITIVE, NEGATIVE = (0, 114, 178), (213, 94, 0)
"""Blue and vermillion of Okabe and Ito (2008), distinguishable in all common kinds of colour blindness."""


def standing_cells(level: Level, state: GridState | RandomGridState | None = None) -> tuple[int, dict[int, int]]:
    """Find where the agent and the objects are.

    Args:
        level: one level.
        state: state of an episode, or None for the level's own layout.

    Returns:
        The agent's cell, and the slot of the object on each cell that holds one.
    """
    used = [m for m, kind in enumerate(np.asarray(level.object_types)) if kind != UNUSED]
    cells = np.asarray(level.object_cells)
    if state is None:
        return int(level.start), {int(cells[m]): m for m in used}
    if isinstance(state, GridState):
        present = int(state.present)
        return int(state.position), {int(cells[m]): m for m in used if present >> m & 1}
    free_cells = np.flatnonzero(~np.asarray(level.walls))
    ranks = np.asarray(state.object_ranks)
    here = {int(free_cells[ranks[m]]): m for m in used if ranks[m] != NOWHERE}
    return int(free_cells[int(state.agent_rank)]), here


def render_text(level: Level, state: GridState | RandomGridState | None = None) -> str:
    """Draw a level as text: its map, then one line per object.

    Walls are '#' and free cells '.'; the object in slot 0 is 'a', the one in slot 1 'b', and so on. The
    agent is 'S' at its start and '@' during an episode, in which absent objects are not drawn.

    Args:
        level: one level of at most 26 object slots.
        state: state of an episode, or None for the level as it starts.

    Returns:
        Lines of text, without a trailing line break.
    """
    array_width = level.walls.shape[1]
    height, width = int(level.height), int(level.width)
    agent, objects = standing_cells(level, state)
    signs = {divmod(cell, array_width): string.ascii_lowercase[m] for cell, m in objects.items()}
    signs[divmod(agent, array_width)] = START if state is None else AGENT
    lines = draw_map(np.asarray(level.walls)[:height, :width], signs)
    for m in np.flatnonzero(np.asarray(level.object_types) != UNUSED):
        lines.append(
            f"{string.ascii_lowercase[m]}: type {int(level.object_types[m])}, "
            f"reward {float(level.object_rewards[m]):+.3g}, "
            f"ends {float(level.object_terminate_probs[m]):.3g}, "
            f"returns {float(level.object_respawn_probs[m]):.3g}"
        )
    return "\n".join(lines)


def reward_color(reward: float) -> Float[np.ndarray, "3"]:
    """Return the colour of a reward: vermillion at −1, white at 0, blue at +1, clipped beyond.

    Args:
        reward: any finite number.

    Returns:
        RGB, each in 0..255.
    """
    end = np.array(POSITIVE if reward > 0 else NEGATIVE, float)
    strength = min(abs(reward), 1.0)
    return strength * end + (1 - strength) * np.array(WHITE, float)


@dataclass(frozen=True)
class Look:
    """What is on a cell.

    Attributes:
        wall: whether it is a wall.
        thing: reward, chance to end the episode and chance to respawn of the object on it; None without an object.
        agent: whether the agent is there.
    """

    wall: bool = False
    thing: tuple[float, float, float] | None = None
    agent: bool = False


def _axes(samples: int) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Return the coordinates x, y of a cell's sample points, from −1 to 1, with y pointing up."""
    centres = (np.arange(samples) + 0.5) / samples * 2 - 1
    return np.broadcast_to(centres, (samples, samples)), np.broadcast_to(-centres[:, None], (samples, samples))


def _paint_object(
    canvas: Float[np.ndarray, "n n 3"], reward: float, terminate_prob: float, respawn_prob: float
) -> None:
    """Paint an object into a cell's samples: a disc, a cross and a ring, as described in render_rgb."""
    x, y = _axes(len(canvas))
    radius = np.hypot(x, y)
    clockwise = np.arctan2(x, y) / (2 * math.pi) % 1.0
    arc = max(0.0, 1 + math.log10(respawn_prob) / 4) if respawn_prob > 0 else 0.0
    canvas[(radius > 0.76) & (radius < 0.92) & (clockwise < arc)] = INK
    canvas[radius < 0.66] = INK
    canvas[radius < 0.58] = reward_color(reward)
    distance = np.minimum(abs(x - y), abs(x + y)) / math.sqrt(2)
    canvas[(radius < 0.58) & (distance < 0.14 * math.sqrt(terminate_prob))] = INK


def _paint_agent(canvas: Float[np.ndarray, "n n 3"]) -> None:
    """Paint the agent, a yellow diamond, into a cell's samples."""
    x, y = _axes(len(canvas))
    canvas[abs(x) + abs(y) < 0.85] = INK
    canvas[abs(x) + abs(y) < 0.65] = AGENT_FILL


def render_cell(look: Look, cell_pixels: int) -> UInt8[np.ndarray, "n n 3"]:
    """Draw one cell, as described in render_rgb.

    Args:
        look: what is on the cell.
        cell_pixels: side of the cell in pixels, ≥ 1.

    Returns:
        uint8 [cell_pixels, cell_pixels, 3].
    """
    canvas = np.empty((cell_pixels * SUPERSAMPLE, cell_pixels * SUPERSAMPLE, 3))
    canvas[:] = WALL if look.wall else LINE
    if not look.wall:
        canvas[SUPERSAMPLE:, SUPERSAMPLE:] = FLOOR
    if look.thing is not None:
        _paint_object(canvas, *look.thing)
    if look.agent:
        _paint_agent(canvas)
    pixels = canvas.reshape(cell_pixels, SUPERSAMPLE, cell_pixels, SUPERSAMPLE, 3).mean(axis=(1, 3))
    return np.round(pixels).astype(np.uint8)


def render_rgb(
    level: Level, state: GridState | RandomGridState | None = None, cell_pixels: int = 24
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a level as a picture, cropped to its own height × width.

    Walls are dark, the agent is a yellow diamond, and an object is a disc: blue for a positive reward,
    white for zero, vermillion for a negative one. A cross on the disc shows that collection may end the
    episode; its width grows with the square root of the chance. A ring around it, clockwise from the
    top, shows the chance to respawn: a quarter ring for 1e-3, half for 1e-2, full for 1.

    Args:
        level: one level.
        state: state of an episode, or None for the level as it starts.
        cell_pixels: side of a cell in pixels, ≥ 1; symbols need about 12.

    Returns:
        uint8 [height · cell_pixels, width · cell_pixels, 3].

    Raises:
        ValueError: cell_pixels is below 1.
    """
    if cell_pixels < 1:
        raise ValueError(f"render_rgb: cell_pixels must be >= 1, got {cell_pixels}")
    height, width, array_width = int(level.height), int(level.width), level.walls.shape[1]
    walls = np.asarray(level.walls)[:height, :width]
    agent, objects = standing_cells(level, state)
    grounds = np.stack([render_cell(Look(wall=wall), cell_pixels) for wall in (False, True)])
    cells = grounds[walls.astype(int)]  # [height, width, cell_pixels, cell_pixels, 3]
    for cell in {agent, *objects}:
        row, column = divmod(cell, array_width)
        thing = None
        if cell in objects:
            m = objects[cell]
            reward, terminate_prob = float(level.object_rewards[m]), float(level.object_terminate_probs[m])
            thing = (reward, terminate_prob, float(level.object_respawn_probs[m]))
        look = Look(bool(walls[row, column]), thing, cell == agent)
        cells[row, column] = render_cell(look, cell_pixels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(height * cell_pixels, width * cell_pixels, 3)
