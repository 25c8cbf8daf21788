-- ARGV: epoch, a nonce, format and number of shards for the first one, '' for others. Prepares a
-- shard in which there is nothing. Answers its epoch, its format, its shards, and the first entry of
-- its box.
if redis.call('EXISTS', facts) == 0 then
  redis.call('HSET', facts, 'epoch', ARGV[1], 'leap', 0, 'box', 1)
  redis.call('XADD', at .. 'box', '1-' .. ARGV[2], 'k', 'b', 'w', '', 's', '')
  if ARGV[3] ~= '' then
    redis.call('HSET', facts, 'format', ARGV[3], 'shards', ARGV[4], 'feed', ARGV[1], 'number', 0,
      'directory', 0, 'trail', 0)
  end
end
local first = redis.call('XRANGE', at .. 'box', '-', '+', 'COUNT', 1)[1]
local told = redis.call('HMGET', facts, 'epoch', 'format', 'shards')
return {told[1], told[2] or '', told[3] or '', first and first[1] or ''}
