-- The first shard: from now on nobody reads the feed until `finish`. ARGV: the epoch that ends, the
-- one to begin. Answers the leap to make; nothing where somebody else has begun one meanwhile.
if redis.call('HGET', facts, 'feed') ~= ARGV[1] then return false end
redis.call('HSET', facts, 'next', ARGV[2])
return redis.call('HINCRBY', facts, 'leaps', 1)
