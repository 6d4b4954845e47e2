"""The review dashboard: Streamlit over the tables and charts of reports, on this machine alone."""
