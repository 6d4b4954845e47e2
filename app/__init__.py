"""The two front doors: the command line (app/cli) and the dashboard (app/dashboard)."""
