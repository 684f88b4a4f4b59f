-- KEYS: watermark, entry   ARGV: generation, as-of, ttl in ms, "<generation>|<record>"
-- Writes an entry, unless the watermark is of another generation or beyond what the record reflects.
local generation, id = string.match(redis.call('GET', KEYS[1]) or '', '^([^:]+):(%d+)$')
if generation ~= ARGV[1] or tonumber(id) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
return 1
