"""Altair charts of the tables in reports.tables; each takes a table and gives a chart, and reads nothing else."""
