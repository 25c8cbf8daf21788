"""Numbered, applied once each, by `counterfoil.stores.migrations`."""
