"""Two sides on one exam: what differs, whether that is a difference, and what may be claimed from it."""
