"""Compact QLoRA trainer: a version and a YAML in, an adapter folder with run.json out."""
