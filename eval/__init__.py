"""Generation, metrics, benchmarks, comparison. Import from its modules: `import eval` would hide the builtin."""
