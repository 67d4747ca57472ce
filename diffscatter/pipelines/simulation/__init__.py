"""The parts of a simulation: what it is told, its body, its pattern and its curve."""
