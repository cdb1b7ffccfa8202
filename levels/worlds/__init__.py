"""The worlds: grids, chains, and bridges to other libraries' environments."""
