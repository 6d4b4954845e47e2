"""What reports and the dashboard show, as pandas data frames; every function only reads what is stored."""
