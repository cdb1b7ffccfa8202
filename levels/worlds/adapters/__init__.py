"""One file per library, loaded on use by levels.libraries: `environment(name)` gives a world and its level."""
