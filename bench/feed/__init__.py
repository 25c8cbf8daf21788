"""The feed, measured against what is aimed at: from a revocation to its first refusal, and what
verifiers cost who wait for one."""
