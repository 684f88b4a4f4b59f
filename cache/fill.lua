-- KEYS: watermark, entry   ARGV: watermark, ttl in ms, "<generation>|<record>"
-- Writes an entry, unless the watermark is another than where the record was read from the store.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return 1
