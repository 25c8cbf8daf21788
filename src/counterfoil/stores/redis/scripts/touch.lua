-- ARGV: id, moment. Forward only, and not of a session that has ended. Answers in which shard it is
-- to be done, where the session lies elsewhere than its id says.
local now, key = leap(), at .. 's:' .. ARGV[1]
local head = redis.call('GETRANGE', key, 0, 20)
if #head < 21 then return redis.call('GET', at .. 'p:' .. ARGV[1]) or 0 end
local then_, _, ended, seen = struct.unpack('>I4I8Bi8', head)
if ended == 1 or then_ ~= now or seen >= tonumber(ARGV[2]) then return 0 end
redis.call('SETRANGE', key, 13, struct.pack('>i8', tonumber(ARGV[2])))
return 1
