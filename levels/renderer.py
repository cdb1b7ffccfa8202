"""Pictures of levels, as text and as RGB arrays."""

import math
import string
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from levels.ascii_map import START, draw_map
from levels.level import UNUSED, Level
from levels.worlds.random_grid import NOWHERE, RandomGridState
from levels.worlds.tabular_grid import GridState

AGENT = "@"
SUPERSAMPLE = 4
LINE_HEIGHT = 24
"""Height of a line of a gallery's titles, in pixels."""
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


def _axes(cell_pixels: int) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Return the coordinates x, y of a cell's sample points, from −1 to 1, with y pointing up."""
    samples = cell_pixels * SUPERSAMPLE
    centres = (np.arange(samples) + 0.5) / samples * 2 - 1
    return np.broadcast_to(centres, (samples, samples)), np.broadcast_to(-centres[:, None], (samples, samples))


def _paint_object(
    canvas: Float[np.ndarray, "n n 3"], reward: float, terminate_prob: float, respawn_prob: float, cell_pixels: int
) -> None:
    """Paint an object into a cell's samples: a disc, a cross and a ring, as described in render_rgb."""
    x, y = _axes(cell_pixels)
    radius = np.hypot(x, y)
    clockwise = np.arctan2(x, y) / (2 * math.pi) % 1.0
    arc = max(0.0, 1 + math.log10(respawn_prob) / 4) if respawn_prob > 0 else 0.0
    canvas[(radius > 0.76) & (radius < 0.92) & (clockwise < arc)] = INK
    canvas[radius < 0.66] = INK
    canvas[radius < 0.58] = reward_color(reward)
    distance = np.minimum(abs(x - y), abs(x + y)) / math.sqrt(2)
    canvas[(radius < 0.58) & (distance < 0.14 * math.sqrt(terminate_prob))] = INK


def _paint_agent(canvas: Float[np.ndarray, "n n 3"], cell_pixels: int) -> None:
    """Paint the agent, a yellow diamond, into a cell's samples."""
    x, y = _axes(cell_pixels)
    canvas[abs(x) + abs(y) < 0.85] = INK
    canvas[abs(x) + abs(y) < 0.65] = AGENT_FILL


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
        cell_pixels: side of a cell in pixels, ≥ 4.

    Returns:
        uint8 [height · cell_pixels, width · cell_pixels, 3].

    Raises:
        ValueError: cell_pixels is below 4.
    """
    if cell_pixels < 4:
        raise ValueError(f"render_rgb: cell_pixels must be >= 4, got {cell_pixels}")
    height, width, array_width = int(level.height), int(level.width), level.walls.shape[1]
    walls = np.asarray(level.walls)
    agent, objects = standing_cells(level, state)
    side = cell_pixels * SUPERSAMPLE
    picture = np.zeros((height, width, side, side, 3))
    for row, column in np.ndindex(height, width):
        canvas = picture[row, column]
        canvas[:] = WALL if walls[row, column] else LINE
        if not walls[row, column]:
            canvas[SUPERSAMPLE:, SUPERSAMPLE:] = FLOOR
        cell = row * array_width + column
        if cell in objects:
            m = objects[cell]
            reward, terminate_prob = float(level.object_rewards[m]), float(level.object_terminate_probs[m])
            _paint_object(canvas, reward, terminate_prob, float(level.object_respawn_probs[m]), cell_pixels)
        if cell == agent:
            _paint_agent(canvas, cell_pixels)
    samples = picture.reshape(height, width, cell_pixels, SUPERSAMPLE, cell_pixels, SUPERSAMPLE, 3)
    pixels = samples.mean(axis=(3, 5)).transpose(0, 2, 1, 3, 4)
    return np.round(pixels).astype(np.uint8).reshape(height * cell_pixels, width * cell_pixels, 3)


def _title_strip(title: str, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
    """Draw centred lines of black text on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, title, ha="center", va="center", fontsize=0.36 * LINE_HEIGHT)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:height, :width, :3]


def render_gallery(
    levels: Sequence[Level], columns: int, titles: Sequence[str] | None = None, cell_pixels: int = 24
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw levels side by side, row by row, on white.

    Args:
        levels: n ≥ 1 levels of any size.
        columns: number of levels per row, ≥ 1.
        titles: n titles of one or more lines, one above each level, or None.
        cell_pixels: side of a cell in pixels, ≥ 4.

    Returns:
        uint8 [h, w, 3].

    Raises:
        ValueError: there are no levels, columns is below 1, or there is not one title per level.
    """
    if not levels:
        raise ValueError("render_gallery: levels must hold at least one level, got none")
    if columns < 1:
        raise ValueError(f"render_gallery: columns must be >= 1, got {columns}")
    if titles is not None and len(titles) != len(levels):
        raise ValueError(f"render_gallery: titles must be one per level, got {len(titles)} for {len(levels)} levels")
    pictures = [render_rgb(level, cell_pixels=cell_pixels) for level in levels]
    margin = max(4, cell_pixels // 2)
    strip = 0 if titles is None else LINE_HEIGHT * max(1 + title.count("\n") for title in titles)
    tile_height = max(picture.shape[0] for picture in pictures) + strip + margin
    tile_width = max(picture.shape[1] for picture in pictures) + margin
    rows, columns = -(-len(pictures) // columns), min(columns, len(pictures))
    gallery = np.full((rows * tile_height + margin, columns * tile_width + margin, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top = margin + i // columns * tile_height
        left = margin + i % columns * tile_width
        if titles is not None:
            gallery[top : top + strip, left : left + tile_width - margin] = _title_strip(
                titles[i], strip, tile_width - margin
            )
        inset = (tile_width - margin - picture.shape[1]) // 2
        top, left = top + strip, left + inset
        gallery[top - 2 : top + picture.shape[0] + 2, left - 2 : left + picture.shape[1] + 2] = WALL
        gallery[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return gallery
