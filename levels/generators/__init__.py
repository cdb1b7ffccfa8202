"""Distributions over levels, named worlds, mazes, and wrappers around generators."""
