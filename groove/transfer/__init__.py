"""How well rules do in environments that they were not discovered in."""
