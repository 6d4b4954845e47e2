"""People looking at outputs: what is put before whom, and what their tags say about the rest."""
