"""Choosing some of many rows, with the reason for each."""
