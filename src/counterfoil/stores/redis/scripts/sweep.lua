-- ARGV: moment, how many. Forgets sessions past their absolute end, in whatever index they are.
local over = redis.call('ZRANGEBYSCORE', at .. 'ends', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(over) do
  -- What is named here is found though the record has expired by itself.
  local client, subject = struct.unpack('>I4I4', member)
  local first, last = 8 + client, 8 + client + subject
  client, subject = string.sub(member, 9, first), string.sub(member, first + 1, last)
  local id = string.sub(member, last + 1)
  redis.call('DEL', at .. 's:' .. id)
  redis.call('ZREM', at .. 'us:' .. subject, id)
  redis.call('ZREM', at .. 'cs:' .. client, id)
  redis.call('ZREM', at .. 'ce:' .. client, id)
  redis.call('ZREM', at .. 'ends', member)
  if redis.call('EXISTS', at .. 'cs:' .. client, at .. 'ce:' .. client) == 0 then
    redis.call('SREM', at .. 'cl', client)
  end
end
return #over
