"""Judging a result: errors of curves, overlap and distance of bodies, agreement of starts."""

from diffscatter.analysis.consistency import RingConsistency as RingConsistency
from diffscatter.analysis.consistency import phase_transfer as phase_transfer
from diffscatter.analysis.metrics import away_from_minima as away_from_minima
from diffscatter.analysis.metrics import curve_error as curve_error
from diffscatter.analysis.predictions import classification_scores as classification_scores
from diffscatter.analysis.predictions import coverage as coverage
from diffscatter.analysis.predictions import regression_scores as regression_scores
from diffscatter.analysis.quality import CurveQuality as CurveQuality
from diffscatter.analysis.quality import curve_quality as curve_quality
from diffscatter.analysis.registration import BodyComparison as BodyComparison
from diffscatter.analysis.registration import compare_bodies as compare_bodies
from diffscatter.analysis.registration import registered_overlap as registered_overlap
from diffscatter.analysis.registration import seen_half as seen_half
from diffscatter.analysis.surfaces import chamfer_distance as chamfer_distance
from diffscatter.analysis.surfaces import surface_points as surface_points
from diffscatter.analysis.symmetry import symmetry_centre as symmetry_centre

__all__ = [
    "BodyComparison",
    "CurveQuality",
    "RingConsistency",
    "away_from_minima",
    "chamfer_distance",
    "classification_scores",
    "compare_bodies",
    "coverage",
    "curve_error",
    "curve_quality",
    "phase_transfer",
    "registered_overlap",
    "regression_scores",
    "seen_half",
    "surface_points",
    "symmetry_centre",
]
