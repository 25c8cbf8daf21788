-- ARGV: the epoch and the number to read after. Answers where the feed stands, the lists, and what
-- has changed.
local facts_ = redis.call('HMGET', facts, 'feed', 'number', 'directory', 'next')
local start = facts_[1] == ARGV[1] and ARGV[2] or '0'
local changes = {}
for _, entry in ipairs(redis.call('XRANGE', at .. 'changes', '(' .. start .. '-0', '+')) do
  changes[#changes + 1] = entry[2][2]
end
return {facts_[1], facts_[2], facts_[3], facts_[4] or '', redis.call('HVALS', at .. 'l'), changes}
