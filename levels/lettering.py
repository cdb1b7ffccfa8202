"""Text as pixels: how wide it is, where it breaks, and how it looks."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

LINE_HEIGHT = 24
"""Height of a line, in pixels."""

LETTER_SIZE = 14
"""Size of the font, in pixels."""

BREAK_AFTER = " /_-,"
"""Characters after which a line may break without splitting a word."""

DOTS_PER_INCH = 72
"""Makes a point, in which matplotlib measures fonts, one pixel."""


def text_width(text: str) -> int:
    """Measure a line of text.

    Args:
        text: one line.

    Returns:
        Its width in pixels, rounded up.
    """
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    measure = RendererAgg(1, 1, DOTS_PER_INCH).get_text_width_height_descent
    return int(np.ceil(measure(text, FontProperties(size=LETTER_SIZE), ismath=False)[0]))


def broken(text: str, width: int) -> list[str]:
    """Split text into lines that fit, without losing a character other than spaces at the breaks.

    Args:
        text: text of one or more lines.
        width: width to fit in pixels; a line has at least one character even if that is wider.

    Returns:
        At least one line.
    """
    return [part for line in text.split("\n") for part in _parts(line, width)]


def _parts(line: str, width: int) -> Iterator[str]:
    while text_width(line) > width and len(line) > 1:
        fitting = _num_fitting(line, width)
        end = next((i for i in range(fitting, 1, -1) if line[i - 1] in BREAK_AFTER), fitting)
        yield line[:end].rstrip(" ")
        line = line[end:].lstrip(" ")
    yield line


def _num_fitting(line: str, width: int) -> int:
    """Return how many characters of a line fit, at least one, by bisection."""
    low, high = 1, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(line[:middle]) <= width else (low, middle - 1)
    return low


def render_lettering(
    height: int, width: int, texts: Sequence[tuple[float, float, str]], align: str = "left"
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw lines of dark text on white.

    Args:
        height: height of the picture in pixels, ≥ 1.
        width: width of the picture in pixels, ≥ 1.
        texts: (x, y, text) of each line in pixels from the top left; y is the middle of the line, x its left end or,
            with the alignment "center", its middle.
        align: "left" or "center".

    Returns:
        uint8 [height, width, 3].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    for x, y, text in texts:
        # Names of files are not formulas, even with two dollar signs in them.
        figure.text(
            x / width,
            1 - y / height,
            text,
            ha=align,
            va="center_baseline",
            fontsize=LETTER_SIZE,
            parse_math=False,
        )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:height, :width, :3]
