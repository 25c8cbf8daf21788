-- What all scripts share. KEYS[1] is the prefix of the shard, which holds its hash tag, so all that
-- is named here lies in its slot. A record's head: leap (4 bytes), version (8), ended (1),
-- last_seen_at (8), length of the subject's name (4), the name.
local at = KEYS[1]
local facts = at .. 'f'
local LEAP = 4294967296

local function leap()
  local told = redis.call('HGET', facts, 'leap')
  if not told then error({err = 'LOST there is nothing here'}) end
  return tonumber(told)
end

-- The version of what was written under an earlier leap, as it is expected now.
local function version_of(text, now)
  if not text or #text < 12 then return 0 end
  local then_, version = struct.unpack('>I4I8', text)
  return version + (now - then_) * LEAP
end

local function client_version(id, now)
  local text = redis.call('HGET', at .. 'c', id)
  if not text then return now * LEAP end
  return version_of(text, now)
end

-- By what restore a session ended that was open under an earlier leap: moment and reason.
local function ended_by(record, now)
  local then_ = struct.unpack('>I4', record)
  for number = then_ + 1, now do
    local told = redis.call('HGET', at .. 'leaps', number)
    if told then return told end
  end
  return ''
end

local function with_ending(into, id, record, now)
  into[#into + 1] = id
  into[#into + 1] = record
  into[#into + 1] = ended_by(record, now)
end

local function with_leap(record, now)
  return struct.pack('>I4', now) .. string.sub(record, 5)
end

local function note_client(id, version, now)
  redis.call('HSET', at .. 'c', id, struct.pack('>I4I8', now, tonumber(version)))
end

local function expire(key, moment)
  if redis.call('PTTL', key) == -1 then
    redis.call('PEXPIREAT', key, moment)
  else
    redis.call('PEXPIREAT', key, moment, 'GT')
  end
end

-- Writes a session's record, and all that leads to it where it is a new one. Its fields are those of
-- a commit: id, version, record, expires, absolute_end, created_at, client, subject.
local function keep_session(session, record, is_new, now)
  local id, expires, client, subject = session[1], session[4], session[7], session[8]
  local is_ended = string.byte(record, 13) == 1
  local open, ended = at .. 'cs:' .. client, at .. 'ce:' .. client
  local into = is_ended and ended or open
  redis.call('SET', at .. 's:' .. id, with_leap(record, now), 'PXAT', expires)
  redis.call('ZREM', is_ended and open or ended, id)
  redis.call('ZADD', into, session[6], id)
  expire(into, expires)
  if not is_new then return end
  local of_subject, ends = at .. 'us:' .. subject, at .. 'ends'
  redis.call('ZREMRANGEBYSCORE', of_subject, '-inf', redis.call('TIME')[1] .. '000000')
  redis.call('ZADD', of_subject, session[5], id)
  expire(of_subject, expires)
  redis.call('ZADD', ends, session[5], struct.pack('>I4I4', #client, #subject)
    .. client .. subject .. id)
  expire(ends, expires)
  redis.call('SADD', at .. 'cl', client)
end

local function keep_subject(subject, now)
  redis.call('SET', at .. 'u:' .. subject[1], with_leap(subject[3], now))
end

-- So many rows of so many fields each, from a place in ARGV on; and the place after them.
local function rows_of(place, count, width)
  local rows = {}
  for row = 1, tonumber(count) do
    rows[row] = {unpack(ARGV, place, place + width - 1)}
    place = place + width
  end
  return rows, place
end
