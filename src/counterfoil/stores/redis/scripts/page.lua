-- ARGV: client or '', '1' for ended ones too, how many, created_at and id of the last one or ''.
-- Answers the leap; created_at and id of the last one looked at; and of each session its id, its
-- record and by what restore it ended. Newest first.
local client, many, score, last = ARGV[1], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local clients = client == '' and redis.call('SMEMBERS', at .. 'cl') or {client}
local found = {}

local function take(pairs_, is_wanted)
  for place = 1, #pairs_, 2 do
    if not is_wanted or is_wanted(pairs_[place]) then
      found[#found + 1] = {tonumber(pairs_[place + 1]), pairs_[place]}
    end
  end
end

local function newest_of(key)
  if score == '' then
    take(redis.call('ZREVRANGE', key, 0, many - 1, 'WITHSCORES'))
    return
  end
  local rank = redis.call('ZREVRANK', key, last)
  if rank then
    take(redis.call('ZREVRANGE', key, rank + 1, rank + many, 'WITHSCORES'))
    return
  end
  local same = redis.call('ZREVRANGEBYSCORE', key, score, score, 'WITHSCORES')
  take(same, function(id) return id < last end)
  take(redis.call('ZREVRANGEBYSCORE', key, '(' .. score, '-inf', 'WITHSCORES', 'LIMIT', 0, many))
end

for _, each in ipairs(clients) do
  newest_of(at .. 'cs:' .. each)
  if ARGV[2] == '1' then newest_of(at .. 'ce:' .. each) end
end
table.sort(found, function(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  return one[2] > other[2]
end)

local now = leap()
local answer = {now, '', ''}
for place = 1, math.min(many, #found) do
  answer[2], answer[3] = string.format('%.0f', found[place][1]), found[place][2]
  local record = redis.call('GET', at .. 's:' .. found[place][2])
  if record then with_ending(answer, found[place][2], record, now) end
end
return answer
