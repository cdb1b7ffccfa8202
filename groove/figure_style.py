"""What all figures share: colours, resolution, and the error that says why a figure is left out."""

from levels.renderer import NEGATIVE, POSITIVE

BLUE, VERMILLION = ("#{:02x}{:02x}{:02x}".format(*color) for color in (POSITIVE, NEGATIVE))
GREY = (0.45, 0.45, 0.45)
DOTS_PER_INCH = 120


class NothingToDraw(ValueError):
    """One line that says why a figure is left out."""
