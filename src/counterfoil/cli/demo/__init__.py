"""`counterfoil demo`: the whole story, measured on a real server that it starts and ends itself."""
