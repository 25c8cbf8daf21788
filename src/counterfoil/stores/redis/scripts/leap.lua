-- Every shard: ends all that is open here, at once. ARGV: epoch, leap, moment and reason, a nonce, '1'
-- for the first shard. Answers the first entry of its box; nothing where somebody else has leapt
-- further.
if tonumber(redis.call('HGET', facts, 'leap') or 0) > tonumber(ARGV[2]) then return false end
redis.call('HSET', facts, 'epoch', ARGV[1], 'leap', ARGV[2])
redis.call('HSET', at .. 'leaps', ARGV[2], ARGV[3])
-- What was heard of clients may be more than the first shard knows, if that was put back.
if ARGV[5] ~= '1' then redis.call('DEL', at .. 'c') end
-- What happened is kept, and gathered in the new epoch; what it changed is forgotten. The first
-- entry of a box has been gathered.
local box = redis.call('XRANGE', at .. 'box', '-', '+')
redis.call('DEL', at .. 'box')
redis.call('XADD', at .. 'box', '1-' .. ARGV[4], 'k', 'b', 'w', '', 's', '')
local last = 1
for place = 2, #box do
  local what = box[place][2]
  if what[2] == 'e' then
    last = last + 1
    redis.call('XADD', at .. 'box', last .. '-' .. ARGV[4], unpack(what))
  end
end
redis.call('HSET', facts, 'box', last)
for _, client in ipairs(redis.call('SMEMBERS', at .. 'cl')) do
  local open, ended = at .. 'cs:' .. client, at .. 'ce:' .. client
  if redis.call('EXISTS', open) == 1 then
    redis.call('ZUNIONSTORE', at .. 'x', 2, at .. 'x', open)
    local until_ = math.max(redis.call('PEXPIRETIME', open), redis.call('PEXPIRETIME', ended))
    redis.call('ZUNIONSTORE', ended, 2, ended, open, 'AGGREGATE', 'MAX')
    redis.call('PEXPIREAT', ended, until_)
    redis.call('DEL', open)
  end
end
return '1-' .. ARGV[4]
