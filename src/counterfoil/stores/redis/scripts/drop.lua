-- ARGV: who writes, then the lists whose tokens have all expired.
for place = 2, #ARGV do
  redis.call('HDEL', at .. 'l', ARGV[place])
  redis.call('HDEL', at .. 'g', ARGV[place])
end
redis.call('HINCRBY', facts, 'directory', 1)
redis.call('PUBLISH', 'counterfoil:' .. at, ARGV[1])
return 1
