"""The store in one folder: a journal, hot batches in memory, sealed Parquet segments."""
