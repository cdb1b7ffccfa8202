"""Figures about speed, measured and compared, never asserted: `make bench`. And what fills the tables of the README."""
