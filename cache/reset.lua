-- KEYS: watermark, that of level 1   ARGV: expected ('' for absent), new watermark
-- Starts a new generation: every entry of the old one stops counting, and those of level 1 as well.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
return 1
