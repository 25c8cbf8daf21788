-- Records that come from another store, whatever is here. ARGV: how many sessions and how many
-- subjects, then each with its fields, as for a commit; the versions are in the records.
local place = 3
local function next_()
  place = place + 1
  return ARGV[place - 1]
end
local now = leap()
for _ = 1, tonumber(ARGV[1]) do
  local id, _, record, expires = next_(), next_(), next_(), next_()
  local ends, created, client, subject = next_(), next_(), next_(), next_()
  redis.call('SET', at .. 's:' .. id, record, 'PXAT', expires)
  local is_ended = string.byte(record, 13) == 1
  local into = at .. (is_ended and 'ce:' or 'cs:') .. client
  redis.call('ZREM', at .. (is_ended and 'cs:' or 'ce:') .. client, id)
  redis.call('ZADD', into, created, id)
  redis.call('ZADD', at .. 'us:' .. subject, ends, id)
  redis.call('ZADD', at .. 'ends', ends, struct.pack('>I4I4', #client, #subject)
    .. client .. subject .. id)
  redis.call('SADD', at .. 'cl', client)
  expire(into, expires)
  expire(at .. 'us:' .. subject, expires)
  expire(at .. 'ends', expires)
end
for _ = 1, tonumber(ARGV[2]) do
  local name, _, record = next_(), next_(), next_()
  redis.call('SET', at .. 'u:' .. name, struct.pack('>I4', now) .. string.sub(record, 5))
end
return 1
