-- The first shard: from now on nobody reads the feed until `finish`. ARGV: the epoch that ends, or ''
-- where there is nothing here, the one to begin, the furthest leap that any shard has made. Answers
-- the leap to make; nothing where somebody else has begun one meanwhile.
if (redis.call('HGET', facts, 'feed') or '') ~= ARGV[1] then return false end
local made = math.max(tonumber(redis.call('HGET', facts, 'leaps') or 0), tonumber(ARGV[3]))
redis.call('HSET', facts, 'next', ARGV[2], 'leaps', made + 1)
return made + 1
