-- ARGV: a client's id. Answers its version, as text because a number may be too large for an answer,
-- and the leap.
local now = leap()
return {string.format('%.0f', client_version(ARGV[1], now)), now}
