"""Sequence cores that a rule can be built on."""
