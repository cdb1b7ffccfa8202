"""Distributions over levels, named worlds, mazes, and what wraps a generator."""
