-- KEYS: watermark, entries...   ARGV: prev, last: "<id>:<tag>"
-- Moves the watermark from prev to last and drops the entries that the events in between are about.
local raw = redis.call('GET', KEYS[1]) or ''
local generation, at = string.match(raw, '^([^:]+):(%d+:%x+)$')
if at ~= ARGV[1] then return raw end
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
raw = generation .. ':' .. ARGV[2]
redis.call('SET', KEYS[1], raw)
return raw
