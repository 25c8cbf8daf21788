-- Some of those that `leap` has ended, as they were; ARGV: how many, '1' to forget those before.
if ARGV[2] == '1' then redis.call('ZREMRANGEBYRANK', at .. 'x', 0, tonumber(ARGV[1]) - 1) end
local records = {}
for _, id in ipairs(redis.call('ZRANGE', at .. 'x', 0, tonumber(ARGV[1]) - 1)) do
  records[#records + 1] = redis.call('GET', at .. 's:' .. id) or ''
end
return records
