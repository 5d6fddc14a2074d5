"""The atomic steps on what the cache knows for the insertion policy, as Lua scripts.

Times are Unix seconds of the cache's clock, which all hosts share; tests pass their own. After the
clock was set back, intervals are 0 for a while, and what lies a day ahead counts as absent.
"""

import math
from typing import Final

from symbolon_server.insertion.ages import INTERVAL_SHARE, LATEST_SHARE
from symbolon_server.insertion.function_uses import (
    EMPTY,
    FIRST_INTERVAL,
    INTERVAL_STEPS,
    LATEST_SECONDS,
    SLOT_BYTES,
    USED_ONCE,
)

NEW_SHARE: Final = 0.3
"""The weight of the last interval in the mean interval between uses of a function."""

MOST_TABLE_BYTES: Final = 64 << 20
"""Of all tables of function uses; those of the least recently used debug files are dropped."""

FILE_BYTES: Final = 200
"""What Redis needs for a table besides its content and, twice, the name of the debug file."""

COUNTED_FILES: Final = 500
"""Tables whose sizes are added up if their number was lost."""

AGAIN_WEIGHT: Final = 3.0
"""The scale is right if misses of pages asked for before, times this, are as many as the others."""

SCALE_STEP: Final = 0.15
SMALLEST_LOG_SCALE: Final = -3.0

LARGEST_LOG_SCALE: Final = math.log(LATEST_SHARE / INTERVAL_SHARE)
"""A page that is asked for about once in an eviction age is still put. Where pages asked for before
are missed at any scale, which a long history brings, the scale would grow for nothing."""

FEW_MISSES: Final = 10
"""So many (weighted) misses move the scale by half a step."""

STEPS_PER_AGE: Final = 10
"""Steps of the scale in one eviction age."""

SAMPLES_PER_AGE: Final = 50
"""Samples of the store's idle times in one eviction age."""

SAMPLE_SECONDS: Final = 5.0
"""The interval of samples of a store that has not evicted yet."""

MOST_SAMPLE_SECONDS: Final = 60.0
"""The longest interval of samples, so that a wrong eviction age does not last."""

REMEMBERED_AGES: Final = 4.0
"""For how many eviction ages it is remembered that a page was asked for."""

MOST_PAGES: Final = 100_000
"""Sampled pages that are remembered, some 9 MB."""

MOST_FORGOTTEN: Final = 1_000
"""Of them in one script: all that a quiet night leaves would keep Redis busy for 0.1 seconds."""

MOST_MODULES: Final = 100_000
"""Ingested modules that are remembered, some 9 MB."""

_NOW: Final = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
"""

NOTE_INGESTED: Final = f"""
-- KEYS: the ingested modules. ARGV: the time or nothing, the hash of one more, most of them.
{_NOW}
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
"""

TELL_USES: Final = f"""
-- KEYS: the table of a debug file, debug files by last use, bytes of all tables. ARGV: the time or
-- '', slots of a new table, fingerprints, the debug file, most bytes of all tables, their prefix.
{_NOW}now = math.floor(now)
local prints = ARGV[3]
local table_key, files, bytes_key = unpack(KEYS)
local found = redis.call('TYPE', files).ok
if found ~= 'zset' and found ~= 'none' then redis.call('DEL', files) end  -- none of ours

local function size_of(name, bytes)
  return bytes + 2 * #name + {FILE_BYTES}
end

-- Bytes of all tables; estimated from the first ones if the number was lost.
local function all_bytes()
  local all = tonumber(redis.pcall('GET', bytes_key) or nil)
  if all and all >= 0 and all < 2 ^ 53 then return all end
  local names = redis.call('ZRANGE', files, 0, {COUNTED_FILES} - 1)
  all = 0
  for _, name in ipairs(names) do
    all = all + size_of(name, redis.call('STRLEN', ARGV[6] .. name))
  end
  return math.floor(all * redis.call('ZCARD', files) / math.max(1, #names))
end

local slots = redis.pcall('GET', table_key)
local is_ours = type(slots) == 'string' and slots ~= '' and #slots % {SLOT_BYTES} == 0
-- A table that is far too small comes from a much smaller build.
if not is_ours or 2 * #slots < ARGV[2] * {SLOT_BYTES} then
  if slots and not is_ours then redis.call('DEL', table_key) end
  local grown = ARGV[2] * {SLOT_BYTES} - (is_ours and #slots or -size_of(ARGV[4], 0))
  slots = string.rep('\\0', ARGV[2] * {SLOT_BYTES})
  redis.call('SET', table_key, slots)
  redis.call('SET', bytes_key, all_bytes() + grown)
end
local count, changed = #slots / {SLOT_BYTES}, {{}}

local function read(place)
  local slot = changed[place]
      or string.sub(slots, place * {SLOT_BYTES} + 1, (place + 1) * {SLOT_BYTES})
  local tag, interval, last = struct.unpack('>HHI4', slot)
  if last > now + {LATEST_SECONDS} then interval = {EMPTY} end
  return {{place = place, tag = tag, interval = interval, last = last}}
end

local function idle(slot)
  return math.max(0, now - slot.last)
end

local function seconds(slot)
  return 2 ^ ((slot.interval - {FIRST_INTERVAL}) / {INTERVAL_STEPS}) - 1
end

local function expected(slot)
  if slot.interval == {EMPTY} then return math.huge end
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
  if a.tag == tag and a.interval ~= {EMPTY} then
    use(a)
  elseif b.tag == tag and b.interval ~= {EMPTY} then
    use(b)
  else
    write((expected(b) > expected(a) and b or a).place, tag, {USED_ONCE})
  end
end
redis.call('ZADD', files, now, ARGV[4])
-- The least recently used go until the others fit, a few at a time.
local all = all_bytes()
for _ = 1, 4 do
  local name = redis.call('ZRANGE', files, 0, 0)[1]
  if not name then all = 0 end  -- what was deleted by hand was still counted
  if all <= tonumber(ARGV[5]) then break end
  local key = ARGV[6] .. name
  all = math.max(0, all - size_of(name, redis.call('STRLEN', key)))
  redis.call('DEL', key)
  redis.call('ZREM', files, name)
end
redis.call('SET', bytes_key, all)
"""

TELL_PAGES: Final = f"""
-- KEYS: the state, sampled pages by last use, ingested modules. ARGV: the time or '', sampled pages
-- that the store missed, sampled pages that were asked for, each of 4 bytes. Returns 1 if the store
-- is to be sampled.
local state, asked = KEYS[1], KEYS[2]
{_NOW}
-- A key of another type, or a field that is no finite number, is not ours.
for key, kind in pairs({{[state] = 'hash', [asked] = 'zset', [KEYS[3]] = 'zset'}}) do
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
  redis.call('HSET', state, field, now)
  return true
end

local age, forgotten = number('eviction_age'), 0
if age then
  local again, first = number('again') or 0, number('first') or 0
  for at = 1, #ARGV[2], 4 do
    local last = tonumber(redis.call('ZSCORE', asked, string.sub(ARGV[2], at, at + 3)) or nil)
    if last and math.abs(now - last) <= {REMEMBERED_AGES} * age then
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
  forgotten = redis.call('ZCOUNT', asked, '-inf', '(' .. (now - {REMEMBERED_AGES} * age))
end
local added = {{}}
for at = 1, #ARGV[3], 4 do
  added[#added + 1] = now
  added[#added + 1] = string.sub(ARGV[3], at, at + 3)
end
if #added > 0 then redis.call('ZADD', asked, unpack(added)) end
forgotten = math.max(forgotten, redis.call('ZCARD', asked) - {MOST_PAGES})
if forgotten > 0 then
  redis.call('ZREMRANGEBYRANK', asked, 0, math.min(forgotten, {MOST_FORGOTTEN}) - 1)
end
local ahead = redis.call('ZCOUNT', asked, '(' .. (now + {LATEST_SECONDS}), '+inf')
if ahead > 0 then
  redis.call('ZREMRANGEBYRANK', asked, -math.min(ahead, {MOST_FORGOTTEN}), -1)
end
local every = {SAMPLE_SECONDS}
if age then every = math.max(1, math.min(age / {SAMPLES_PER_AGE}, {MOST_SAMPLE_SECONDS})) end
return is_due('sampled_at', every) and 1 or 0
"""
