"""What a rule is worth in environments that it was not discovered in."""
