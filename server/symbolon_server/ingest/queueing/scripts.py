"""What the queue does to Redis in one step, each step a Lua script.

A module has a job if and only if it is in `line` or in `running`; what else there is only describes
the job. All keys begin with `PREFIX`, which names the version of the page format, so that servers
and workers of two versions each have a queue of their own.

| key | type | holds |
|---|---|---|
| `line` | sorted set | waiting modules by place: band * 2^40 + the caller's turn |
| `running` | sorted set | claimed modules by the millisecond their lease ends |
| `awaited` | sorted set | modules of the first band by the millisecond until which somebody waits |
| `turns` | sorted set | `<band>:<caller>` by that caller's next turn |
| `job:<module id>` | hash | when it was queued, for whom, its place, what is told; its claim |
| `want:<module id>` | string | wanted module offsets, 8 bytes each, big end first |
| `bell` | stream | one entry; a new one when there is a new job: workers wait, and take nothing |

Callers take turns: a caller's next job goes one turn after its last one, but not before the head of
the band. A job of the first band that nobody waits for any more goes behind, when it comes to the
head of the line.

              enqueue: a better band
               +-----------------+
               v                 |
    --enqueue--> in line --nobody waits any more--> in line, second band
                  ^  |
        give back |  | claim
                  |  v
                 running --end--> (no job)
                  ^    |
                  +----+ claim again when the lease has lapsed, first of all

Every step is O(log n) for each module. Lua unpacks some 8,000 values at most, and a step that holds
Redis up for 10 ms is one too long: so a step takes at most `MOST_MODULES_A_STEP`.
"""

from typing import Final

from symbolon_server.cache.invalidation_scripts import LARGEST_NUMBER, LOG_FUNCTIONS
from symbolon_server.cache.invalidations import MOST_MODULES
from symbolon_server.ingest.queueing.jobs import TOLD_FIELDS
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

PREFIX: Final = f"{{ingest:{FORMAT_VERSION}}}:"
LINE_KEY: Final = PREFIX + "line"
RUNNING_KEY: Final = PREFIX + "running"
AWAITED_KEY: Final = PREFIX + "awaited"
TURNS_KEY: Final = PREFIX + "turns"
BELL_KEY: Final = PREFIX + "bell"
JOB_PREFIX: Final = PREFIX + "job:"
WANT_PREFIX: Final = PREFIX + "want:"

ENDED_CHANNEL: Final = PREFIX + "ended"
"""Module ids of jobs that ended, as text."""

MOST_MODULES_A_STEP: Final = 100
BAND_SIZE: Final = 2**40
"""Turns in a band; 100,000 jobs a second for four months."""

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long the queue of a version that nobody uses any more stays, for a way back to it."""

WAITS_MS: Final = 10_000
"""How long after its last look a server counts as waiting; it looks each second."""

_MOST_BEHIND: Final = 20
"""Jobs that nobody waits for are put behind so many at a time."""
_PRELUDE: Final = f"""
local P = KEYS[1]
local line, running, awaited, turns, bell =
    P .. 'line', P .. 'running', P .. 'awaited', P .. 'turns', P .. 'bell'
local band_size, kept_seconds, most_modules = {BAND_SIZE}, {KEPT_SECONDS}, {MOST_MODULES_A_STEP}
local told_fields = {{{", ".join(map(repr, TOLD_FIELDS))}}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function job(module) return P .. 'job:' .. module end
local function want(module) return P .. 'want:' .. module end
local function text(number) return string.format('%.0f', number) end
local function band_of(place) return math.floor(tonumber(place) / band_size) end
local function first_of(band) return text(band * band_size) end
local function before(band) return '(' .. text(band * band_size) end

-- What others wrote under our keys stops nobody. The log of Redis tells of it, once.
local function drop_unless(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
    redis.log(redis.LOG_WARNING,
        'symbolon: deleted ' .. key .. ': a ' .. found .. ', not a ' .. kind)
  end
end

for key, kind in pairs({{[line] = 'zset', [running] = 'zset', [awaited] = 'zset',
    [turns] = 'zset', [bell] = 'stream'}}) do
  drop_unless(key, kind)
end

local function sound(module)
  drop_unless(job(module), 'hash')
  drop_unless(want(module), 'string')
end

local function keep()
  for _, key in ipairs({{line, running, awaited, turns, bell}}) do
    redis.call('EXPIRE', key, kept_seconds)
  end
end

local function ring()
  redis.call('XADD', bell, 'MAXLEN', 1, '*', 'at', now)
  keep()
end

local function head_of(band)
  local first, behind = first_of(band), before(band + 1)
  return redis.call('ZRANGEBYSCORE', line, first, behind, 'WITHSCORES', 'LIMIT', 0, 1)[2]
end

-- A caller's next turn. One that is outside of its band, or has no room for more jobs in it, is
-- foreign, and dropped.
local function turn_of(band, caller)
  local name = band .. ':' .. caller
  local turn = tonumber(redis.call('ZSCORE', turns, name) or 0)
  if turn < band * band_size or turn >= (band + 1) * band_size - most_modules then
    redis.call('ZREM', turns, name)
    return 0
  end
  return turn
end

-- No fewer than a caller's jobs in a band's line: each took a turn, and the head is the first.
local function backlog(band, caller)
  local head = head_of(band)
  return head and math.max(0, turn_of(band, caller) - tonumber(head)) or 0
end

-- The place of a caller's next job: after its last one, but not before the head of the band. The
-- turns of callers whose jobs are all gone from the line are dropped, a step's worth with each new
-- place; where there are more, an empty band begins at the last of them.
local function next_place(band, caller)
  local first, behind, head = first_of(band), before(band + 1), head_of(band)
  local passed = redis.call('ZRANGEBYSCORE', turns, first, head and '(' .. head or behind,
      'LIMIT', 0, most_modules)
  if #passed > 0 then redis.call('ZREM', turns, unpack(passed)) end
  if not head and #passed == most_modules then
    head = redis.call('ZREVRANGEBYSCORE', turns, behind, first, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  return math.max(tonumber(head or first), turn_of(band, caller))
end

local function owned(module, claim)
  sound(module)
  return redis.call('ZSCORE', running, module) and redis.call('HGET', job(module), 'claim') == claim
end
"""

_INVALIDATIONS: Final = f"""
local invalidated, epoch_key, most_invalidated = '{INVALIDATED_KEY}', '{EPOCH_KEY}', {MOST_MODULES}
{LOG_FUNCTIONS}
-- What was made of a module as of an earlier invalidation than this is stale.
local function stale_before(module)
  local function ours(score)
    local number = math.floor(tonumber(score) or 0)
    return number <= {LARGEST_NUMBER} and number or 0
  end
  local number = ours(redis.call('ZSCORE', invalidated, module))
  if redis.call('ZCARD', invalidated) < most_invalidated then
    return number
  end
  return math.max(number, ours(redis.call('ZRANGE', invalidated, 0, 0, 'WITHSCORES')[2]))
end
"""

ENQUEUE: Final = (
    _PRELUDE
    + """
-- ARGV: band, caller, milliseconds that somebody waits, most jobs that wait, most of one caller
-- where so many wait, most bytes of wanted offsets of a job; then each module, its offsets and what
-- is told of it, of which the first that is told counts. Returns the number of new jobs and the
-- modules that there was no room for.
local band, caller, waits = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local most_waiting, most_own, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local modules = {}
local width = 2 + #told_fields
for at = 7, #ARGV, width do modules[#modules + 1] = ARGV[at] end
-- Jobs that went behind count with those that somebody waits for: they are never refused.
local lowest, highest = band == 2 and 2 or 0, band == 2 and 2 or 1
local room = most_waiting - redis.call('ZCOUNT', line, first_of(lowest), before(highest + 1))
if room < most_own then
  for counted = lowest, highest do most_own = most_own - backlog(counted, caller) end
  room = math.max(room, most_own)
end
local waiting = redis.call('ZMSCORE', line, unpack(modules))
local busy = redis.call('ZMSCORE', running, unpack(modules))
local place = next_place(band, caller)
local places, awaits, refused, added = {}, {}, {}, 0

local function put(module)
  redis.call('HSET', job(module), 'caller', caller, 'place', text(place))
  places[#places + 1], places[#places + 2] = text(place), module
  place = place + 1
end

for at, module in ipairs(modules) do
  local first = 7 + width * (at - 1)
  local is_new, offsets = not waiting[at] and not busy[at], ARGV[first + 1]
  if is_new and added >= room then
    refused[#refused + 1] = module
  else
    if is_new then
      redis.call('DEL', job(module), want(module))
      redis.call('HSET', job(module), 'queued', now)
      put(module)
      redis.call('EXPIRE', job(module), kept_seconds)
      added = added + 1
    else
      sound(module)
      if waiting[at] and band_of(waiting[at]) > band then put(module) end
    end
    for number, field in ipairs(told_fields) do
      local value = ARGV[first + 1 + number]
      if value ~= '' then redis.call('HSETNX', job(module), field, value) end
    end
    if #offsets > 0 then
      local bytes = redis.call('STRLEN', want(module))
      if bytes + #offsets <= most_bytes then redis.call('APPEND', want(module), offsets) end
      if bytes == 0 then redis.call('EXPIRE', want(module), kept_seconds) end
    end
    if band == 0 and not busy[at] then
      awaits[#awaits + 1], awaits[#awaits + 2] = now + waits, module
    end
  end
end
if #awaits > 0 then redis.call('ZADD', awaited, 'GT', unpack(awaits)) end
if #places > 0 then
  redis.call('ZADD', line, unpack(places))
  redis.call('ZADD', turns, text(place), band .. ':' .. caller)
  ring()
end
return {added, refused}
"""
)

LOOK: Final = (
    _PRELUDE
    + """
-- ARGV: milliseconds that somebody waits from now on, modules. Returns the places in ARGV, from 1,
-- of those without a job, and of those that went behind because nobody seemed to wait.
local waits = tonumber(table.remove(ARGV, 1))
local waiting = redis.call('ZMSCORE', line, unpack(ARGV))
local busy = redis.call('ZMSCORE', running, unpack(ARGV))
local ended, behind, awaits = {}, {}, {}
for at, module in ipairs(ARGV) do
  if waiting[at] and band_of(waiting[at]) > 0 then
    behind[#behind + 1] = at
  elseif waiting[at] then
    awaits[#awaits + 1], awaits[#awaits + 2] = now + waits, module
  elseif not busy[at] then
    ended[#ended + 1] = at
  end
end
if #awaits > 0 then redis.call('ZADD', awaited, unpack(awaits)) end
return {ended, behind}
"""
)

CLAIM: Final = (
    _PRELUDE
    + _INVALIDATIONS
    + f"""
-- ARGV: the claim's name, the worker's, milliseconds of the lease. Returns {{module, attempts,
-- wanted offsets, the number of the last invalidation, that before which the module is stale,
-- milliseconds since it was queued, what is told of it}}; or the bell's last entry when there is
-- nothing to do; or an empty string when only jobs were put behind, and the claim is to be asked
-- again.
local claim, worker, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function number_in(module, field)
  local number = tonumber(redis.call('HGET', job(module), field))
  return number and math.abs(number) < {LARGEST_NUMBER} and number -- neither infinite nor nan
end

local function take(module)
  sound(module)
  redis.call('ZREM', line, module)
  redis.call('ZREM', awaited, module)
  redis.call('ZADD', running, now + lease, module)
  local attempts = (number_in(module, 'attempts') or 0) + 1
  redis.call('HSET', job(module), 'claim', claim, 'worker', worker, 'since', now,
      'attempts', text(attempts))
  redis.call('EXPIRE', job(module), kept_seconds)
  keep()
  return {{module, text(attempts), redis.call('GET', want(module)) or '',
      text(last_invalidation()), text(stale_before(module)),
      text(now - (number_in(module, 'queued') or now)),
      redis.call('HMGET', job(module), unpack(told_fields))}}
end

-- No lease ends later than one lease from now, unless the time of day was set back.
for _, module in ipairs(redis.call('ZRANGEBYSCORE', running, '(' .. text(now + lease), '+inf',
    'LIMIT', 0, {_MOST_BEHIND})) do
  redis.call('ZADD', running, now + lease, module)
end

-- A job whose worker is gone comes first: somebody has waited for it since.
local lapsed = redis.call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, 1)[1]
if lapsed then return take(lapsed) end

for _ = 1, {_MOST_BEHIND} do
  local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
  if not head[1] then
    local last = redis.call('XREVRANGE', bell, '+', '-', 'COUNT', 1)
    return last[1] and last[1][1] or '0-0'
  end
  local module = head[1]
  if band_of(head[2]) ~= 0 then return take(module) end
  local until_when = tonumber(redis.call('ZSCORE', awaited, module) or 0)
  if until_when > now and until_when <= now + {60 * 60 * 1000} then return take(module) end
  redis.call('ZREM', awaited, module)
  redis.call('ZREM', line, module)
  sound(module)
  local caller = redis.call('HGET', job(module), 'caller') or ''
  local place = next_place(1, caller)
  redis.call('ZADD', line, text(place), module)
  redis.call('ZADD', turns, text(place + 1), '1:' .. caller)
  redis.call('HSET', job(module), 'place', text(place))
end
return ''
"""
)

RENEW: Final = (
    _PRELUDE
    + """
-- ARGV: module, the claim's name, milliseconds of its lease. Returns whether it is still ours.
if not owned(ARGV[1], ARGV[2]) then return 0 end
redis.call('ZADD', running, now + tonumber(ARGV[3]), ARGV[1])
return 1
"""
)

GIVE_BACK: Final = (
    _PRELUDE
    + f"""
-- ARGV: module, the claim's name. Puts the job where it was, as if it had never been claimed.
local module = ARGV[1]
if not owned(module, ARGV[2]) then return 0 end
redis.call('ZREM', running, module)
redis.call('HDEL', job(module), 'claim', 'worker', 'since')
redis.call('HINCRBY', job(module), 'attempts', -1)
local place = tonumber(redis.call('HGET', job(module), 'place')) or 0
if math.abs(place) >= 3 * band_size or place ~= place then place = 0 end
redis.call('ZADD', line, text(place), module)
if band_of(place) == 0 then redis.call('ZADD', awaited, now + {WAITS_MS}, module) end
ring()
return 1
"""
)

END: Final = (
    _PRELUDE
    + _INVALIDATIONS
    + f"""
-- ARGV: module, the claim's name, the number of the last invalidation when the job was claimed.
-- Returns 0 and ends nothing if the module was invalidated since. The job is gone before anybody
-- hears of it: who asks before this is told, who asks after it gets a new job.
local module = ARGV[1]
if owned(module, ARGV[2]) then
  if stale_before(module) > tonumber(ARGV[3]) then return 0 end
  redis.call('ZREM', running, module)
  redis.call('DEL', job(module), want(module))
end
redis.call('PUBLISH', '{ENDED_CHANNEL}', module)
return 1
"""
)

OVERVIEW: Final = (
    _PRELUDE
    + """
-- ARGV: how many to look at. Returns {now, the length of each band, since when the first in line of
-- each band are queued, {module, {worker, since, attempts, caller}} of those that are running and
-- whose leases end first, how many are running}.
local most = tonumber(ARGV[1])
local lengths, queued, claimed = {}, {}, {}
for band = 0, 2 do
  local first, behind = first_of(band), before(band + 1)
  lengths[band + 1] = redis.call('ZCOUNT', line, first, behind)
  for _, module in ipairs(redis.call('ZRANGEBYSCORE', line, first, behind, 'LIMIT', 0, most)) do
    drop_unless(job(module), 'hash')
    queued[#queued + 1] = redis.call('HGET', job(module), 'queued')
  end
end
for at, module in ipairs(redis.call('ZRANGE', running, 0, most - 1)) do
  drop_unless(job(module), 'hash')
  claimed[at] =
      {module, redis.call('HMGET', job(module), 'worker', 'since', 'attempts', 'caller')}
end
return {text(now), lengths, queued, claimed, redis.call('ZCARD', running)}
"""
)

REMOVE: Final = (
    _PRELUDE
    + """
-- ARGV: what is no module id. Takes it out of the queue, whatever it is.
for _, key in ipairs({line, running, awaited}) do redis.call('ZREM', key, ARGV[1]) end
redis.call('DEL', job(ARGV[1]), want(ARGV[1]))
"""
)
