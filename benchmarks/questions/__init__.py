"""How the server answers many who ask: over HTTP, with 10,000,000 records, beside ingestion, and live."""
