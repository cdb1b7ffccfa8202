"""Figures about speed: printed, never asserted."""
