"""How far raters agree: Cohen's and Fleiss' kappa, Krippendorff's alpha, Gwet's AC1, with intervals."""

from eval.agreement.coefficients import COEFFICIENTS
from eval.agreement.measure import Agreement, agreement

__all__ = ["COEFFICIENTS", "Agreement", "agreement"]
