"""`counterfoil compare`: the three strategies, measured on this machine and on one's own store."""
