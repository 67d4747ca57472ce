"""Judging a result: errors of curves, overlap of bodies."""

from diffscatter.analysis.metrics import away_from_minima as away_from_minima
from diffscatter.analysis.metrics import curve_error as curve_error
from diffscatter.analysis.metrics import registered_overlap as registered_overlap

__all__ = ["away_from_minima", "curve_error", "registered_overlap"]
