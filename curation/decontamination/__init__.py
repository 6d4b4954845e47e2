"""Finds items of evaluation sets among training rows, however they were laid out anew."""
