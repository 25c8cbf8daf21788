-- ARGV: ids. Answers for each: its record, by what restore it ended, its subject's record.
local now, found = leap(), {}
for place, id in ipairs(ARGV) do
  local record = redis.call('GET', at .. 's:' .. id)
  if record then
    local length = struct.unpack('>I4', record, 22)
    local subject = redis.call('GET', at .. 'u:' .. string.sub(record, 26, 25 + length))
    found[place] = {record, ended_by(record, now), subject or '', now}
  else
    -- Of a session that lies elsewhere than its id says, where it does.
    found[place] = redis.call('GET', at .. 'p:' .. id) or ''
  end
end
return found
