-- ARGV: directory, who writes, the list chosen, its size, how many, then id and text of each list to
-- be announced. Answers from where to where; nothing where the directory has moved on.
if redis.call('HGET', facts, 'directory') ~= ARGV[1] then return false end
for place = 6, #ARGV, 2 do
  redis.call('HSET', at .. 'l', ARGV[place], ARGV[place + 1])
  redis.call('HSET', at .. 'g', ARGV[place], 0)
end
if #ARGV > 5 then
  redis.call('HINCRBY', facts, 'directory', 1)
  redis.call('PUBLISH', 'counterfoil:' .. at, ARGV[2])
end
local given = tonumber(redis.call('HGET', at .. 'g', ARGV[3]))
local stop = math.min(given + tonumber(ARGV[5]), tonumber(ARGV[4]))
redis.call('HSET', at .. 'g', ARGV[3], stop)
return {given, stop}
