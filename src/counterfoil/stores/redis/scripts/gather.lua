-- ARGV: a shard, the last of its box that was gathered, the last of these, how many events, then of
-- each: kind, what, subject. Numbers them for all readers. Answers 0 where somebody else was faster.
if redis.call('HGET', at .. 'm', ARGV[1]) ~= ARGV[2] then return 0 end
if redis.call('HEXISTS', facts, 'next') == 1 then return 0 end
for place = 4, #ARGV, 3 do
  local kind, what, subject = ARGV[place], ARGV[place + 1], ARGV[place + 2]
  if kind == 'e' or kind == 's' then
    local number = redis.call('HINCRBY', facts, 'trail', 1)
    redis.call('XADD', at .. 'trail', number .. '-0', 'w', what)
    if kind == 's' then
      redis.call('SADD', at .. 't:' .. subject, number)
      redis.call('EXPIRE', at .. 't:' .. subject, 34560000)
    end
  else
    local number = redis.call('HINCRBY', facts, 'number', 1)
    if kind == 'c' then redis.call('XADD', at .. 'changes', number .. '-0', 'w', what) end
  end
end
redis.call('HSET', at .. 'm', ARGV[1], ARGV[3])
return 1
