-- ARGV: epoch or '', who writes or '', a nonce, '1' for the first shard, then how many of each, then
-- each with its fields:
--   sessions   id, version, record, expires (ms), absolute_end, created_at, client, subject
--   subjects   name, version, record
--   clients    id, version
--   unchanged  id, version
--   told       kind (c: a change, m: a move of the feed, e: an event, s: one of a
--              subject), what, subject
-- Answers 1, or 0 where an expectation did not hold; 2 where a client is further on than was heard
-- of here, which the first shard knows.
local now = leap()
if ARGV[1] ~= '' and redis.call('HGET', facts, 'epoch') ~= ARGV[1] then return 0 end

local place = 5
local function next_()
  place = place + 1
  return ARGV[place - 1]
end
local counts = {}
for each = 1, 5 do counts[each] = tonumber(next_()) end

local function read(count, width)
  local rows = {}
  for row = 1, count do
    rows[row] = {}
    for column = 1, width do rows[row][column] = next_() end
  end
  return rows
end
local sessions, subjects = read(counts[1], 8), read(counts[2], 3)
local clients, unchanged, told = read(counts[3], 2), read(counts[4], 2), read(counts[5], 3)

local heads = {}
for row, session in ipairs(sessions) do
  heads[row] = redis.call('GETRANGE', at .. 's:' .. session[1], 0, 20)
  if version_of(heads[row], now) ~= tonumber(session[2]) - 1 then return 0 end
end
for _, subject in ipairs(subjects) do
  local text = redis.call('GETRANGE', at .. 'u:' .. subject[1], 0, 11)
  if version_of(text, now) ~= tonumber(subject[2]) - 1 then return 0 end
end
for _, client in ipairs(clients) do
  if client_version(client[1], now) ~= tonumber(client[2]) - 1 then return 0 end
end
for _, client in ipairs(unchanged) do
  local kept, expected = client_version(client[1], now), tonumber(client[2])
  if kept > expected or (kept < expected and ARGV[4] == '1') then return 0 end
  if kept < expected then return 2 end
end

for row, session in ipairs(sessions) do
  local id, record, expires, client = session[1], session[3], session[4], session[7]
  local seen, is_ended = struct.unpack('>i8', record, 14), string.byte(record, 13) == 1
  if #heads[row] > 0 then seen = math.max(seen, (struct.unpack('>i8', heads[row], 14))) end
  record = struct.pack('>I4', now) .. string.sub(record, 5, 13) .. struct.pack('>i8', seen)
    .. string.sub(record, 22)
  redis.call('SET', at .. 's:' .. id, record, 'PXAT', expires)
  local open, ended = at .. 'cs:' .. client, at .. 'ce:' .. client
  local into = is_ended and ended or open
  redis.call('ZREM', is_ended and open or ended, id)
  redis.call('ZADD', into, session[6], id)
  expire(into, expires)
  if #heads[row] == 0 then
    local of_subject, ends = at .. 'us:' .. session[8], at .. 'ends'
    local clock = redis.call('TIME')
    redis.call('ZREMRANGEBYSCORE', of_subject, '-inf', clock[1] .. '000000')
    redis.call('ZADD', of_subject, session[5], id)
    expire(of_subject, expires)
    redis.call('ZADD', ends, session[5], struct.pack('>I4I4', #client, #session[8]) .. client .. session[8] .. id)
    expire(ends, expires)
    redis.call('SADD', at .. 'cl', client)
  end
end
for _, subject in ipairs(subjects) do
  redis.call('SET', at .. 'u:' .. subject[1], struct.pack('>I4', now) .. string.sub(subject[3], 5))
end
for _, client in ipairs(clients) do
  redis.call('HSET', at .. 'c', client[1], struct.pack('>I4I8', now, tonumber(client[2])))
end
for _, each in ipairs(told) do
  local number = redis.call('HINCRBY', facts, 'box', 1)
  redis.call('XADD', at .. 'box', number .. '-' .. ARGV[3], 'k', each[1], 'w', each[2], 's', each[3])
end
if ARGV[2] ~= '' then redis.call('PUBLISH', 'counterfoil:' .. at, ARGV[2]) end
return 1
