"""The worlds that agents learn in: grid levels, chains, generators, mazes, the exact solver."""
