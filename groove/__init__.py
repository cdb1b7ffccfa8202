"""The experiment: configuration, evolution strategies, the meta-training loop and its run folders."""
