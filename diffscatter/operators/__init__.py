"""Operators: a density becomes an amplitude or an intensity, and gradients come back."""
