-- Records that come from another store, whatever is here. ARGV: how many sessions, subjects and
-- clients, then each with its fields, as for a commit.
local now = leap()
local sessions, subjects, clients
local place = 4
sessions, place = rows_of(place, ARGV[1], 8)
subjects, place = rows_of(place, ARGV[2], 3)
clients = rows_of(place, ARGV[3], 2)
for _, session in ipairs(sessions) do keep_session(session, session[3], true, now) end
for _, subject in ipairs(subjects) do keep_subject(subject, now) end
for _, client in ipairs(clients) do note_client(client[1], client[2], now) end
return 1
