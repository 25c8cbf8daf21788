-- ARGV: moment, how many. Forgets sessions past their absolute end, in whatever index they are.
local over = redis.call('ZRANGEBYSCORE', at .. 'ends', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(over) do
  local length = struct.unpack('>I4', member)
  local client, id = string.sub(member, 5, 4 + length), string.sub(member, 5 + length)
  local record = redis.call('GET', at .. 's:' .. id)
  if record then
    local named = struct.unpack('>I4', record, 22)
    redis.call('ZREM', at .. 'us:' .. string.sub(record, 26, 25 + named), id)
    redis.call('DEL', at .. 's:' .. id)
  end
  redis.call('ZREM', at .. 'cs:' .. client, id)
  redis.call('ZREM', at .. 'ce:' .. client, id)
  redis.call('ZREM', at .. 'ends', member)
  if redis.call('EXISTS', at .. 'cs:' .. client, at .. 'ce:' .. client) == 0 then
    redis.call('SREM', at .. 'cl', client)
  end
end
return #over
