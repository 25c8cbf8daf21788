-- ARGV: a client's id and its version, which the first shard has moved on to.
local now = leap()
if client_version(ARGV[1], now) < tonumber(ARGV[2]) then
  redis.call('HSET', at .. 'c', ARGV[1], struct.pack('>I4I8', now, tonumber(ARGV[2])))
end
return 1
