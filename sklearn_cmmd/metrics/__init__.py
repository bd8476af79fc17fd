"""Measures of generated views, of intervals, and of the latent space, from arrays."""

from sklearn_cmmd.metrics._collapse import posterior_collapse_curve, variance_collapse_curve
from sklearn_cmmd.metrics._draws import crps, energy_score, probability_integral_transform
from sklearn_cmmd.metrics._errors import missing_rmse
from sklearn_cmmd.metrics._information import (
    conditional_log_likelihood,
    conditional_mutual_information,
)
from sklearn_cmmd.metrics._intervals import interval_coverage, interval_width
from sklearn_cmmd.metrics._judged import generation_coherence, linear_probe
from sklearn_cmmd.metrics._scorers import (
    make_generation_scorer,
    neg_coverage_error_scorer,
    neg_energy_score_scorer,
    neg_missing_rmse_scorer,
)

__all__ = [
    "conditional_log_likelihood",
    "conditional_mutual_information",
    "crps",
    "energy_score",
    "generation_coherence",
    "interval_coverage",
    "interval_width",
    "linear_probe",
    "make_generation_scorer",
    "missing_rmse",
    "neg_coverage_error_scorer",
    "neg_energy_score_scorer",
    "neg_missing_rmse_scorer",
    "posterior_collapse_curve",
    "probability_integral_transform",
    "variance_collapse_curve",
]
