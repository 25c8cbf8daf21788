-- ARGV: epoch or '', who writes or '', a nonce, '1' for the first shard, then how many of each, then
-- each with its fields:
--   sessions   id, version, record, expires (ms), absolute_end, created_at, client, subject
--   subjects   name, version, record
--   clients    id, version
--   unchanged  id, version
--   told       kind (c: a change, m: a move of the feed, e: an event), what, '=' and the subject, or ''
-- Answers 1, or 0 where an expectation did not hold; 2 where a client is further on than was heard
-- of here, which the first shard knows.
local now = leap()
if ARGV[1] ~= '' and redis.call('HGET', facts, 'epoch') ~= ARGV[1] then return 0 end

local sessions, subjects, clients, unchanged, told
local place = 10
sessions, place = rows_of(place, ARGV[5], 8)
subjects, place = rows_of(place, ARGV[6], 3)
clients, place = rows_of(place, ARGV[7], 2)
unchanged, place = rows_of(place, ARGV[8], 2)
told = rows_of(place, ARGV[9], 3)

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
  local record, is_new = session[3], #heads[row] == 0
  if not is_new then
    -- A touch may have come between.
    local seen = math.max((struct.unpack('>i8', record, 14)), (struct.unpack('>i8', heads[row], 14)))
    record = string.sub(record, 1, 13) .. struct.pack('>i8', seen) .. string.sub(record, 22)
  end
  keep_session(session, record, is_new, now)
end
for _, subject in ipairs(subjects) do keep_subject(subject, now) end
for _, client in ipairs(clients) do note_client(client[1], client[2], now) end
for _, each in ipairs(told) do
  local number = redis.call('HINCRBY', facts, 'box', 1)
  redis.call('XADD', at .. 'box', number .. '-' .. ARGV[3], 'k', each[1], 'w', each[2], 's', each[3])
end
if ARGV[2] ~= '' then redis.call('PUBLISH', 'counterfoil:' .. at, ARGV[2]) end
return 1
