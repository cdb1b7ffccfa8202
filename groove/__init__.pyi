from .config import EXPERIMENTS as EXPERIMENTS
from .config import TrainConfig as TrainConfig
from .discovery.evolution import Evolution as Evolution
from .discovery.meta_training import MetaTraining as MetaTraining
from .discovery.population import Population as Population
from .run.train import Run as Run
from .transfer.suites import SUITES as SUITES

__version__: str
