"""The query language: what is asked, and what it means."""
