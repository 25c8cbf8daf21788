-- ARGV: a client's id, its version, which the first shard has moved on to, and the leap that this one
-- had made then: it may be one ahead, and is counted from there.
if client_version(ARGV[1], leap()) < version_of(struct.pack('>I4I8', ARGV[3], tonumber(ARGV[2])), leap()) then
  note_client(ARGV[1], ARGV[2], ARGV[3])
end
return 1
