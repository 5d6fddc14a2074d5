"""The atomic steps on what the cache knows for the insertion policy, as Lua scripts.

Times are Unix seconds of the caller's clock: seconds between hosts do not matter to ages of
minutes or more, and a clock that is set back only makes intervals 0 for a while.
"""

from typing import Final

from symbolon_server.insertion.function_uses import (
    FIRST_INTERVAL,
    INTERVAL_STEPS,
    SLOT_BYTES,
    USED_ONCE,
)

NEW_SHARE: Final = 0.3
"""The weight of the last interval in the mean interval between uses of a function."""

MOST_TABLE_BYTES: Final = 64 << 20
"""Of all tables of function uses; those of the least recently used debug files are dropped."""

AGAIN_WEIGHT: Final = 3.0
"""The scale is right if misses of pages asked for before, times this, are as many as the others."""

SCALE_STEP: Final = 0.15
SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE = -3.0, 5.0

FEW_MISSES: Final = 10
"""So many (weighted) misses move the scale by half a step."""

STEPS_PER_AGE: Final = 10
"""Steps of the scale in one eviction age."""

SAMPLES_PER_AGE: Final = 50
"""Samples of the store's idle times in one eviction age."""

SAMPLE_SECONDS: Final = 5.0
"""The interval of samples of a store that has not evicted yet."""

REMEMBERED_AGES: Final = 4.0
"""For how many eviction ages it is remembered that a page was asked for."""

MOST_PAGES: Final = 100_000
"""Sampled pages that are remembered, some 8 MB."""

MOST_MODULES: Final = 100_000
"""Ingested modules that are remembered, some 9 MB."""

TELL_USES: Final = f"""
-- KEYS: the table of a debug file, debug files by last use, bytes of all tables. ARGV: the time,
-- slots of a new table, fingerprints, the debug file, most bytes of all tables, their prefix.
local table_key, files, bytes_key = unpack(KEYS)
local now, prints = math.floor(tonumber(ARGV[1])), ARGV[3]
local slots = redis.pcall('GET', table_key)
if type(slots) ~= 'string' or slots == '' or #slots % {SLOT_BYTES} ~= 0 then  -- none of ours
  if slots then redis.call('DEL', table_key) end
  slots = string.rep('\\0', ARGV[2] * {SLOT_BYTES})
  redis.call('SET', table_key, slots)
  redis.call('INCRBY', bytes_key, #slots)
end
local count, changed = #slots / {SLOT_BYTES}, {{}}

local function read(place)
  local slot = changed[place]
      or string.sub(slots, place * {SLOT_BYTES} + 1, (place + 1) * {SLOT_BYTES})
  local tag, interval, last = struct.unpack('>HHI4', slot)
  return {{place = place, tag = tag, interval = interval, last = last}}
end

local function idle(slot)
  return math.max(0, now - slot.last)
end

local function seconds(slot)
  return 2 ^ ((slot.interval - {FIRST_INTERVAL}) / {INTERVAL_STEPS}) - 1
end

local function expected(slot)
  if slot.interval == 0 then return math.huge end
  if slot.interval == {USED_ONCE} then return 2 * idle(slot) end
  return math.max(seconds(slot), idle(slot))
end

local function write(place, tag, interval)
  local slot = struct.pack('>HHI4', tag, interval, now)
  changed[place] = slot
  redis.call('SETRANGE', table_key, place * {SLOT_BYTES}, slot)
end

local function use(slot)
  local mean = idle(slot)
  if slot.interval ~= {USED_ONCE} then
    mean = (1 - {NEW_SHARE}) * seconds(slot) + {NEW_SHARE} * mean
  end
  local steps = math.floor(math.log(1 + mean) / math.log(2) * {INTERVAL_STEPS} + 0.5)
  write(slot.place, slot.tag, math.min({FIRST_INTERVAL} + steps, 65535))
end

for at = 1, #prints - 5, 6 do
  local tag, first, second = struct.unpack('>HHH', prints, at)
  local a, b = read(first % count), read(second % count)
  if a.tag == tag and a.interval ~= 0 then
    use(a)
  elseif b.tag == tag and b.interval ~= 0 then
    use(b)
  else
    write((expected(b) > expected(a) and b or a).place, tag, {USED_ONCE})
  end
end
redis.call('ZADD', files, now, ARGV[4])
-- The least recently used go until the others fit, a few at a time.
for _ = 1, 4 do
  if tonumber(redis.call('GET', bytes_key)) <= tonumber(ARGV[5]) then break end
  local name = redis.call('ZRANGE', files, 0, 0)[1]
  if not name then
    redis.call('SET', bytes_key, 0)  -- what was deleted by hand was still counted
    break
  end
  local key = ARGV[6] .. name
  redis.call('INCRBY', bytes_key, -redis.call('STRLEN', key))
  redis.call('DEL', key)
  redis.call('ZREM', files, name)
end
"""

TELL_PAGES: Final = f"""
-- KEYS: the state, sampled pages by last use. ARGV: the time, sampled pages that the store missed,
-- sampled pages that were asked for, each of 4 bytes. Returns 1 if the store is to be sampled.
local state, asked = KEYS[1], KEYS[2]
local now = tonumber(ARGV[1])

-- A key of another type, or a field that is no finite number, is not ours.
for key, kind in pairs({{[state] = 'hash', [asked] = 'zset'}}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

local function number(field)
  local found = tonumber(redis.call('HGET', state, field) or nil)
  return found and math.abs(found) < math.huge and found or nil
end

local function is_due(field, every)
  local last = number(field)
  if last and last <= now and now - last < every then return false end
  redis.call('HSET', state, field, ARGV[1])
  return true
end

local age = number('eviction_age')
if age then
  local again, first = number('again') or 0, number('first') or 0
  for at = 1, #ARGV[2], 4 do
    local last = tonumber(redis.call('ZSCORE', asked, string.sub(ARGV[2], at, at + 3)) or nil)
    if last and now - last <= {REMEMBERED_AGES} * age then
      again = again + 1
    else
      first = first + 1
    end
  end
  if is_due('stepped_at', age / {STEPS_PER_AGE}) then
    local wanted = {AGAIN_WEIGHT} * again
    local log_scale = (number('log_scale') or 0)
        + {SCALE_STEP} * (wanted - first) / (wanted + first + {FEW_MISSES})
    log_scale = math.max({SMALLEST_LOG_SCALE}, math.min(log_scale, {LARGEST_LOG_SCALE}))
    redis.call('HSET', state, 'log_scale', log_scale)
    again, first = again / 2, first / 2
  end
  redis.call('HSET', state, 'again', again, 'first', first)
  redis.call('ZREMRANGEBYSCORE', asked, '-inf', '(' .. (now - {REMEMBERED_AGES} * age))
end
for at = 1, #ARGV[3], 4 do
  redis.call('ZADD', asked, now, string.sub(ARGV[3], at, at + 3))
end
local excess = redis.call('ZCARD', asked) - {MOST_PAGES}
if excess > 0 then redis.call('ZREMRANGEBYRANK', asked, 0, excess - 1) end
local every = age and math.max(1, age / {SAMPLES_PER_AGE}) or {SAMPLE_SECONDS}
return is_due('sampled_at', every) and 1 or 0
"""
