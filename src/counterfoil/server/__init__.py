"""The standalone server: a client of everything else."""
