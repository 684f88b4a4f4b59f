-- KEYS: a key that nothing else uses
-- Does what the other scripts do, to find out whether Redis still refuses it. SET comes first: after a
-- DEL, Redis accepts it even when it is out of memory.
redis.call('SET', KEYS[1], '1', 'PX', 1000)
redis.call('DEL', KEYS[1])
return redis.call('GET', KEYS[1]) and 0 or 1
