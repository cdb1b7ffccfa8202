"""The experiment: configuration, evolution strategies, the meta-training loop and its run folders.

For example::

    import groove
    from groove.records.run_folder import RunFolder

    small = {"generations": 2, "population": 4, "lifetime": (5, 5), "heldout_levels": 4, "tune_configurations": 1}
    config = groove.EXPERIMENTS["tiny"].replaced(**small)
    run = groove.Run(config)
    with RunFolder.create("my-run") as folder:
        run.start(folder)                                   # writes the metrics and the rule
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
