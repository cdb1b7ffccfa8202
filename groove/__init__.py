"""The experiment: configuration, evolution strategies, the meta-training loop and its run folders."""

__version__ = "0.2.0"
