"""Training of networks: endless draws, compiled chunks, checkpoints. It knows no physics."""

from diffscatter.training.checkpoint import Checkpoints as Checkpoints
from diffscatter.training.history import History as History
from diffscatter.training.loop import Plateau as Plateau
from diffscatter.training.loop import Training as Training
from diffscatter.training.loop import train as train
from diffscatter.training.weights import load_beside as load_beside
from diffscatter.training.weights import load_weights as load_weights
from diffscatter.training.weights import save_weights as save_weights

__all__ = [
    "Checkpoints",
    "History",
    "Plateau",
    "Training",
    "load_beside",
    "load_weights",
    "save_weights",
    "train",
]
