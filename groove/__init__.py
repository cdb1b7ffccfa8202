"""The experiment: configuration, evolution strategies, the meta-training loop and its run folders.

import dataclasses, groove
from groove.records.run_folder import RunFolder

config = dataclasses.replace(groove.EXPERIMENTS["tiny"], population=8, generations=2, heldout_levels=8)
run = groove.Run(config)
with RunFolder.create("my-run") as folder:
    run.start(folder)                                   # writes the metrics and the rule
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
