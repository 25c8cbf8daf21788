-- ARGV: the subject's name, and '1' for the sessions too. Answers the leap, the subject's record,
-- and of each session its id, its record and by what restore it ended.
local now = leap()
local found = {now, redis.call('GET', at .. 'u:' .. ARGV[1]) or ''}
if ARGV[2] == '1' then
  for _, id in ipairs(redis.call('ZRANGE', at .. 'us:' .. ARGV[1], 0, -1)) do
    local record = redis.call('GET', at .. 's:' .. id)
    if record then with_ending(found, id, record, now) end
  end
end
return found
