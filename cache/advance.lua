-- KEYS: watermark, entries...   ARGV: prev, last
-- Moves the watermark from prev to last and drops the entries that the events in between are about.
local generation, id = string.match(redis.call('GET', KEYS[1]) or '', '^([^:]+):(%d+)$')
if not id then return -1 end
id = tonumber(id)
if id >= tonumber(ARGV[2]) then return id end
if id ~= tonumber(ARGV[1]) then return id end
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('SET', KEYS[1], generation .. ':' .. ARGV[2])
return tonumber(ARGV[2])
