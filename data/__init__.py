"""Sample data of our own: a fictional machine maker's support and documentation, and its generator."""
