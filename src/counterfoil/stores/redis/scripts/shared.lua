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

local function expire(key, moment)
  if redis.call('PTTL', key) == -1 then
    redis.call('PEXPIREAT', key, moment)
  else
    redis.call('PEXPIREAT', key, moment, 'GT')
  end
end
