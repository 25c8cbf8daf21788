"""The project's measurements: what Counterfoil costs as ratios to a floor, beside its peers."""
