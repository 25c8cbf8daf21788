"""The store in SQL, written once and run over any `Rows`."""
