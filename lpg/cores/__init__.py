"""Sequence cores for update rules."""
