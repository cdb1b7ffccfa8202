"""One file per library, loaded on use by levels.libraries: `environment(name)` makes a world and its level."""
