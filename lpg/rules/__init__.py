"""Update rules, one file per family of equations."""
