-- KEYS: watermark   ARGV: expected ('' for absent), new watermark
-- Starts a new generation: every entry of the old one stops counting.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
