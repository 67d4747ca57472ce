"""Judging a result: errors of curves, overlap of bodies."""

from diffscatter.analysis.metrics import away_from_minima as away_from_minima
from diffscatter.analysis.metrics import curve_error as curve_error
from diffscatter.analysis.metrics import registered_overlap as registered_overlap
from diffscatter.analysis.quality import CurveQuality as CurveQuality
from diffscatter.analysis.quality import curve_quality as curve_quality

__all__ = [
    "CurveQuality",
    "away_from_minima",
    "curve_error",
    "curve_quality",
    "registered_overlap",
]
