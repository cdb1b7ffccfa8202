"""Sequence cores on which rules can be built."""
