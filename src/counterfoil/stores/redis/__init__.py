"""Sessions in Redis or Valkey, alone or as a cluster. Scripts, each run on one shard, are the only
writers."""
