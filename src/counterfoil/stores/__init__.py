"""Where session records live. Each store passes `counterfoil.testing.store_contract`."""
