"""Update rules: one file for one family of equations."""
