"""Text as pixels: it breaks where words end, nothing of it is lost, and nothing is cut."""

import pytest

from levels.lettering import LINE_HEIGHT, broken, render_lettering, text_width


def test_text_that_fits_stays_on_its_lines():
    assert broken("a\n\nb c", 100) == ["a", "", "b c"] and broken("", 10) == [""]


def test_text_breaks_after_spaces_and_the_signs_in_names():
    words = "six/small-0-0.toml of_a level"
    assert broken(words, text_width("six/small-0-0.toml o")) == ["six/small-0-0.toml", "of_a level"]
    assert broken("folder/small-0-0.toml", text_width("folder/small-0-0.t")) == ["folder/small-0-", "0.toml"]


@pytest.mark.parametrize("text", ["a/very-long_name " * 20, "W" * 90, "$x$ and $ " * 30])
def test_every_line_fits_and_no_character_is_lost(text):
    lines = broken(text, 150)
    assert max(map(text_width, lines)) <= 150 and len(lines) > 3
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_character_wider_than_the_line_has_a_line_of_its_own():
    assert broken("WWW", 2) == ["W", "W", "W"]


@pytest.mark.parametrize(("align", "x"), [("left", 5), ("center", 105)])
def test_lettering_draws_all_of_a_line(align, x):
    text = "$w_0$ fg|jy"
    picture = render_lettering(LINE_HEIGHT, 210, [(x, LINE_HEIGHT / 2, text)], align)
    ink = picture.min(axis=2) < 128
    assert picture.shape == (LINE_HEIGHT, 210, 3)
    columns = ink.any(axis=0).nonzero()[0]
    # The dollar signs are drawn too, or the ink would be narrower.
    assert text_width(text) - 4 <= columns[-1] - columns[0] <= text_width(text)
    assert not ink[0].any() and not ink[-1].any()
