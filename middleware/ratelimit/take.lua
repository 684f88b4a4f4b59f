-- KEYS: the key's count   ARGV: interval, room, both in microseconds
-- Counts one request and returns how much of the room was used before it. store.RateLimit.Spend is
-- the specification and makes the same decision from that number. The stored value is the time at
-- which all of the room is free again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local free = tonumber(string.match(redis.call('GET', KEYS[1]) or '', '^%d+$')) or now
local before = math.min(math.max(free - now, 0), room)
local after = before
if interval <= room - before then after = before + interval end
if after > 0 and now + after ~= free then
  redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', string.format('%.0f', math.ceil(after / 1000)))
end
return before
