"""The atomic steps on the log of invalidations, as Lua scripts."""

from typing import Final

LARGEST_NUMBER: Final = 2**52
"""Microseconds until the year 2112; larger scores were not written by us. Redis scores are exact up
to twice this number, and may be infinite."""

LOG_FUNCTIONS: Final = f"""
-- A key of another type is not the log; delete it.
for key, kind in pairs({{[invalidated] = 'zset', [epoch_key] = 'string'}}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

local function largest_number()
  local found = redis.call('ZREVRANGEBYSCORE', invalidated, {LARGEST_NUMBER}, '-inf',
      'WITHSCORES', 'LIMIT', 0, 1)
  return math.max(0, math.floor(tonumber(found[2]) or 0))
end

-- An empty or lost log starts with the time as the number of no module, so that it is larger than
-- all numbers of an earlier log. From then on numbers are compared, never times.
local function last_invalidation()
  local last = largest_number()
  if last == 0 then
    local time = redis.call('TIME')
    last = time[1] * 1000000 + time[2]
    redis.call('ZADD', invalidated, last, '')
    redis.call('SET', epoch_key, string.format('%.0f', last))
  end
  return last
end
"""
"""For scripts with the names of both keys in `invalidated` and `epoch_key`."""

_PRELUDE: Final = f"""
local invalidated, epoch_key = KEYS[1], KEYS[2]
{LOG_FUNCTIONS}
-- The epoch of the log, and the replication id of the server, which changes with each failover and
-- restart: either may lose the last second of writes.
local function epoch()
  local info = redis.pcall('INFO', 'replication')
  info = type(info) == 'string' and info or ''
  local log = redis.call('GET', epoch_key) or ''
  return log .. '/' .. (string.match(info, 'master_replid:(%x+)') or ''),
      string.match(info, 'role:slave') ~= nil
end
"""

READ: Final = (
    _PRELUDE
    + f"""
-- ARGV: a number, the epoch that the caller knows. Returns the epoch, whether the caller knew
-- another log, the last number, and modules with numbers above the given one, or all of them.
local now, is_replica = epoch()
if is_replica then
  return redis.error_reply('READONLY this server is a replica')
end
local known, last = tonumber(ARGV[1]), last_invalidation()
now = epoch()
local is_other = now ~= ARGV[2] or last < known
local after = is_other and 0 or known
local found = redis.call('ZRANGEBYSCORE', invalidated, string.format('(%.0f', after),
    {LARGEST_NUMBER}, 'WITHSCORES')
return {{now, is_other and 1 or 0, string.format('%.0f', last), found}}
"""
)

ADD: Final = (
    _PRELUDE
    + f"""
-- ARGV: most modules kept, the channel, the epoch that the caller knows, module ids. Returns the
-- number of these modules, or 0 without numbering any if the epoch is another.
local last, time = last_invalidation(), redis.call('TIME')
if epoch() ~= ARGV[3] then
  return 0
end
local number = math.max(time[1] * 1000000 + time[2], last + 1)
redis.call('ZREMRANGEBYSCORE', invalidated, '({LARGEST_NUMBER}', '+inf')
for at = 4, #ARGV do
  redis.call('ZADD', invalidated, number, ARGV[at])
end
redis.call('ZREMRANGEBYRANK', invalidated, 0, -1 - ARGV[1])
redis.call('PUBLISH', ARGV[2], string.format('%.0f', number))
return number
"""
)

PUT_BACK: Final = (
    _PRELUDE
    + """
-- ARGV: most modules kept, the channel, numbers and module ids in turn. Larger numbers in the log
-- stay. The epoch changes with the log, because others may have read past these numbers.
last_invalidation()
if redis.call('ZADD', invalidated, 'GT', 'CH', unpack(ARGV, 3)) > 0 then
  redis.call('ZREMRANGEBYRANK', invalidated, 0, -1 - ARGV[1])
  if type(redis.pcall('INCR', epoch_key)) ~= 'number' then -- not from us
    redis.call('SET', epoch_key, redis.call('TIME')[1])
  end
  redis.call('PUBLISH', ARGV[2], 'put back')
end
"""
)
