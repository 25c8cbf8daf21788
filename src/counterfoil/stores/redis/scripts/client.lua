-- ARGV: a client's id. Answers its version, as text: a number may be too large for an answer.
return string.format('%.0f', client_version(ARGV[1], leap()))
