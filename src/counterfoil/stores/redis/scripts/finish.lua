-- The first shard: the epoch begins. ARGV: epoch, who writes, the event, format, number of shards,
-- then of each shard the first entry of its box. Answers 0 where somebody else has begun one
-- meanwhile.
if redis.call('HGET', facts, 'feed') == ARGV[1] then return 1 end
if redis.call('HGET', facts, 'next') ~= ARGV[1] then return 0 end
redis.call('HSET', facts, 'feed', ARGV[1], 'number', 0)
redis.call('HINCRBY', facts, 'directory', 1)
redis.call('DEL', at .. 'changes', at .. 'l', at .. 'g')
redis.call('HSETNX', facts, 'format', ARGV[4])
redis.call('HSETNX', facts, 'shards', ARGV[5])
for place = 6, #ARGV do redis.call('HSET', at .. 'm', place - 6, ARGV[place]) end
local number = redis.call('HINCRBY', facts, 'box', 1)
redis.call('XADD', at .. 'box', number .. '-0', 'k', 'e', 'w', ARGV[3], 's', '')
redis.call('HDEL', facts, 'next')
redis.call('PUBLISH', 'counterfoil:' .. at, ARGV[2])
return 1
