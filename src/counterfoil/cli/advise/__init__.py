"""`counterfoil advise`: sessions or JWT, and when, for a situation told in eight answers."""
