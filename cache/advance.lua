-- KEYS: watermark, that of level 1, entries...   ARGV: prev, last: "<id>:<tag>"
-- Moves the watermark from prev to last and drops the entries that the events in between are about.
-- A watermark of level 1 that is behind then is dropped: its entries are from before these events.
local raw = redis.call('GET', KEYS[1]) or ''
local generation, at = string.match(raw, '^([^:]+):(%d+:%x+)$')
if at ~= ARGV[1] then return raw end
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
local older = string.match(redis.call('GET', KEYS[2]) or '', ':(%d+)$')
if older and tonumber(older) < tonumber(string.match(ARGV[2], '^%d+')) then redis.call('DEL', KEYS[2]) end
raw = generation .. ':' .. ARGV[2]
redis.call('SET', KEYS[1], raw)
return raw
