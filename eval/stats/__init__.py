"""Whether a difference is a difference: paired tests, resampled intervals, verdicts in words."""
