"""Prompt variants: every combination of a few factors over the same items, and what each factor does."""
