"""The operations of the queue, each a Lua script and so one step of Redis.

The package's docstring shows the states of a job and the order of the line. All keys begin with
`PREFIX`, which has the version of the page format, so that servers and workers of two versions have
separate queues.

| key | type | content |
|---|---|---|
| `line` | sorted set | queued modules by place: band * 2^40 + the caller's turn |
| `running` | sorted set | claimed modules by the millisecond when the lease ends |
| `awaited` | sorted set | modules of the first band by the millisecond until which a caller waits |
| `turns` | sorted set | `<band>:<caller>` by that caller's next turn |
| `job:<module id>` | hash | time of queueing, caller, place, what callers sent, trace; its claim |
| `want:<module id>` | string | wanted module offsets, 8 bytes each, big-endian |
| `bell` | stream | one entry, replaced when there is a new job; workers wait on it |
| `spooled` | sorted set | modules by the number of the last spool that got their page file |
| `spools` | sorted set | spools by the millisecond when one of their workers claimed last |
| `handed:<spool>` | sorted set | modules handed on to the workers of a spool by place |

A job whose module another spool has is handed on to the workers of that spool, if one of them
claimed just now: it is claimed in their name, and they take it before the others of its band. Once
none of them has claimed anything for a few seconds, that claim lapses, and the next worker takes
the job.

A job of the first band that no caller waits for any more moves to the second band when it reaches
the head of the line.

Every step is O(log n) per module. Lua can unpack about 8,000 values, and a step should not block
Redis for more than 10 ms, so a step has at most `MOST_MODULES_A_STEP` modules.
"""

from typing import Final

from symbolon_server.cache.invalidation_scripts import LARGEST_NUMBER, LOG_FUNCTIONS
from symbolon_server.cache.invalidations import MOST_MODULES
from symbolon_server.ingest.queueing.jobs import DETAIL_FIELDS
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.symbols.ground.module_ids import LINKAGE_VARIANT
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

PREFIX: Final = f"{{ingest:{FORMAT_VERSION}}}:"
LINE_KEY: Final = PREFIX + "line"
RUNNING_KEY: Final = PREFIX + "running"
AWAITED_KEY: Final = PREFIX + "awaited"
TURNS_KEY: Final = PREFIX + "turns"
BELL_KEY: Final = PREFIX + "bell"
SPOOLED_KEY: Final = PREFIX + "spooled"
SPOOLS_KEY: Final = PREFIX + "spools"
HANDED_PREFIX: Final = PREFIX + "handed:"
JOB_PREFIX: Final = PREFIX + "job:"
WANT_PREFIX: Final = PREFIX + "want:"

ENDED_CHANNEL: Final = PREFIX + "ended"
"""Carries the module ids of jobs that ended."""

MOST_MODULES_A_STEP: Final = 100
BAND_SIZE: Final = 2**40
"""Turns in a band: enough for 100,000 jobs a second for four months."""

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long the queue of an unused version is kept, to allow a rollback."""

WAITS_MS: Final = 10_000
"""How long after its last look a server counts as waiting; it looks every second."""

MOST_SPOOLED: Final = 100_000
"""Modules whose spool is remembered; each takes some 110 bytes of the cache."""

_MOST_LAPSED: Final = 100
"""In one claim: most of them may be left to other hosts, and a dead worker's job is behind them."""

_MOST_BEHIND: Final = 20
"""Maximum number of jobs that one claim moves to the second band or hands on."""

_PRELUDE: Final = f"""
local P = KEYS[1]
local line, running, awaited, turns, bell =
    P .. 'line', P .. 'running', P .. 'awaited', P .. 'turns', P .. 'bell'
local spooled, spools = P .. 'spooled', P .. 'spools'
local band_size, kept_seconds, most_modules = {BAND_SIZE}, {KEPT_SECONDS}, {MOST_MODULES_A_STEP}
local detail_fields = {{{", ".join(map(repr, DETAIL_FIELDS))}}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function job(module) return P .. 'job:' .. module end
local function want(module) return P .. 'want:' .. module end
local function text(number) return string.format('%.0f', number) end
local function band_of(place) return math.floor(tonumber(place) / band_size) end
local function first_of(band) return text(band * band_size) end
local function before(band) return '(' .. text(band * band_size) end

-- A value that another program wrote under our keys is deleted, and logged once by Redis.
local function drop_unless(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
    redis.log(redis.LOG_WARNING,
        'symbolon: deleted ' .. key .. ': a ' .. found .. ', not a ' .. kind)
  end
end

for key, kind in pairs({{[line] = 'zset', [running] = 'zset', [awaited] = 'zset',
    [turns] = 'zset', [bell] = 'stream', [spooled] = 'zset', [spools] = 'zset'}}) do
  drop_unless(key, kind)
end

local function sound(module)
  drop_unless(job(module), 'hash')
  drop_unless(want(module), 'string')
end

local function keep()
  for _, key in ipairs({{line, running, awaited, turns, bell, spooled, spools}}) do
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

-- The place of a caller's next job: after its last one, but not before the head of the band. Drops
-- the turns of callers without jobs in the line, a step's worth with each new place; if there are
-- more, an empty band begins at the last of them.
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

-- Where the modules are that were handed on to a spool, whose number is a text.
local function handed(spool)
  local key = P .. 'handed:' .. spool
  drop_unless(key, 'zset')
  return key
end

-- The number of the spool to which a job was handed on, as a text, or nil.
local function handed_to(module)
  return (redis.call('HGET', job(module), 'claim') or ''):match('^spool:(%d+)$')
end

local function owned(module, claim)
  sound(module)
  return redis.call('ZSCORE', running, module) and redis.call('HGET', job(module), 'claim') == claim
end
"""

_INVALIDATIONS: Final = f"""
local invalidated, epoch_key, most_invalidated = '{INVALIDATED_KEY}', '{EPOCH_KEY}', {MOST_MODULES}
{LOG_FUNCTIONS}
-- What is stored for a module, or a variant of it, as of an earlier invalidation is stale.
local function stale_before(module)
  local function ours(score)
    local number = math.floor(tonumber(score) or 0)
    return number >= 0 and number <= {LARGEST_NUMBER} and number or 0
  end
  local plain = string.gsub(module, '{LINKAGE_VARIANT}$', '')
  local number = ours(redis.call('ZSCORE', invalidated, plain))
  if redis.call('ZCARD', invalidated) < most_invalidated then
    return number
  end
  return math.max(number, ours(redis.call('ZRANGE', invalidated, 0, 0, 'WITHSCORES')[2]))
end
"""

ENQUEUE: Final = (
    _PRELUDE
    + """
-- ARGV: band, caller, milliseconds that the caller waits, maximum of queued jobs, jobs of a caller
-- that fit into a full queue, maximum bytes of a job's wanted offsets, trace context of the ingests
-- or empty; then each module with its offsets and what was sent about it; the first value of each
-- field counts. Returns the number of new jobs and the modules without room.
local band, caller, waits = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local most_waiting, most_own, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local trace = ARGV[7]
local modules = {}
local width = 2 + #detail_fields
for at = 8, #ARGV, width do modules[#modules + 1] = ARGV[at] end
-- Both bands of requested jobs share one limit, so a job is never refused when it changes bands.
local lowest, highest = band == 2 and 2 or 0, band == 2 and 2 or 1
local room = most_waiting - redis.call('ZCOUNT', line, first_of(lowest), before(highest + 1))
if room < most_own then
  for counted = lowest, highest do most_own = most_own - backlog(counted, caller) end
  room = math.max(room, most_own)
end
local waiting = redis.call('ZMSCORE', line, unpack(modules))
local busy = redis.call('ZMSCORE', running, unpack(modules))
local first_place = next_place(band, caller)
local place = first_place
local places, awaits, refused, added = {}, {}, {}, 0

local function put(module)
  redis.call('HSET', job(module), 'caller', caller, 'place', text(place))
  places[#places + 1], places[#places + 2] = text(place), module
  place = place + 1
end

-- A job that was handed on gets the caller's place among those of its spool.
local function put_forward(module)
  local spool = handed_to(module)
  local before = spool and redis.call('ZSCORE', handed(spool), module)
  if not before or band_of(before) <= band then return end
  redis.call('HSET', job(module), 'caller', caller, 'place', text(place))
  redis.call('ZADD', handed(spool), text(place), module)
  place = place + 1
end

for at, module in ipairs(modules) do
  local first = 8 + width * (at - 1)
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
      if busy[at] then put_forward(module) elseif band_of(waiting[at]) > band then put(module) end
    end
    for number, field in ipairs(detail_fields) do
      local value = ARGV[first + 1 + number]
      if value ~= '' then redis.call('HSETNX', job(module), field, value) end
    end
    if trace ~= '' then redis.call('HSETNX', job(module), 'trace', trace) end
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
if #places > 0 then redis.call('ZADD', line, unpack(places)) end
if place > first_place then
  redis.call('ZADD', turns, text(place), band .. ':' .. caller)
  ring()
end
return {added, refused}
"""
)

LOOK: Final = (
    _PRELUDE
    + """
-- ARGV: milliseconds that callers wait from now on, modules. Returns the positions in ARGV, from 1,
-- of modules without a job, and of those moved to a later band because no caller seemed to wait.
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
-- ARGV: name of the claim, name of the worker, milliseconds of the lease, number of the worker's
-- spool or 0, milliseconds for which a job waits for another spool. Returns {{module, attempts,
-- wanted offsets, number of the last invalidation, number before which the module is stale,
-- milliseconds since it was queued, what callers sent about it, trace context or empty}}; or the
-- bell's last entry if there is no job; or an empty string if jobs were only moved or handed on:
-- then claim again.
local claim, worker, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local spool, patience = tonumber(ARGV[4]), tonumber(ARGV[5])

local function number_in(module, field)
  local number = tonumber(redis.call('HGET', job(module), field))
  return number and math.abs(number) < {LARGEST_NUMBER} and number -- not infinite, not NaN
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
      redis.call('HMGET', job(module), unpack(detail_fields)),
      redis.call('HGET', job(module), 'trace') or ''}}
end

-- Whether a worker with a spool has claimed just now.
local function is_here(number)
  local seen = tonumber(redis.call('ZSCORE', spools, text(number)))
  return seen and seen > now - patience and seen <= now
end

-- Another spool that has the module and whose workers are there, or nil.
local function other_spool(module)
  local other = tonumber(redis.call('ZSCORE', spooled, module))
  return other and other ~= spool and is_here(other) and other
end

-- Whether a job was handed on to workers that are still there and find it; they have others first.
local function is_left_to_others(module)
  sound(module)
  local number = handed_to(module)
  return number and is_here(tonumber(number)) and redis.call('ZSCORE', handed(number), module)
end

-- At most once for each time that the spool got the module: its workers may not have it any more.
local function hand_on(module, place, other)
  sound(module)
  redis.call('ZREM', line, module)
  redis.call('ZREM', awaited, module)
  redis.call('ZREM', spooled, module)
  redis.call('ZADD', running, now + patience, module)
  redis.call('HSET', job(module), 'claim', 'spool:' .. text(other))
  redis.call('HDEL', job(module), 'worker', 'since')
  redis.call('ZADD', handed(text(other)), place, module)
  redis.call('EXPIRE', handed(text(other)), kept_seconds)
  ring()
end

-- No lease ends later than one lease from now, unless the clock was set back.
for _, module in ipairs(redis.call('ZRANGEBYSCORE', running, '(' .. text(now + lease), '+inf',
    'LIMIT', 0, {_MOST_BEHIND})) do
  redis.call('ZADD', running, now + lease, module)
end

-- A job whose lease has lapsed comes first: callers have waited for it since.
for _, module in ipairs(
    redis.call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, {_MOST_LAPSED})) do
  if not is_left_to_others(module) then return take(module) end
  redis.call('ZADD', running, now + patience, module)
end

if spool > 0 then
  redis.call('ZADD', spools, now, text(spool))
  redis.call('ZREMRANGEBYSCORE', spools, '-inf', text(now - patience))
  local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
  local ours = redis.call('ZRANGE', handed(text(spool)), 0, {_MOST_BEHIND} - 1, 'WITHSCORES')
  for at = 1, #ours, 2 do
    local module, is_owned = ours[at], owned(ours[at], 'spool:' .. text(spool))
    if is_owned and head and band_of(head) < band_of(ours[at + 1]) then break end
    redis.call('ZREM', handed(text(spool)), module)
    if is_owned then return take(module) end
  end
end

for _ = 1, {_MOST_BEHIND} do
  local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
  if not head[1] then
    if spool > 0 and redis.call('ZCARD', handed(text(spool))) > 0 then return '' end
    local last = redis.call('XREVRANGE', bell, '+', '-', 'COUNT', 1)
    return last[1] and last[1][1] or '0-0'
  end
  local module = head[1]
  local until_when = tonumber(redis.call('ZSCORE', awaited, module) or 0)
  local is_awaited = until_when > now and until_when <= now + {60 * 60 * 1000}
  if band_of(head[2]) ~= 0 or is_awaited then
    local other = other_spool(module)
    if not other then return take(module) end
    hand_on(module, head[2], other)
  else
    redis.call('ZREM', awaited, module)
    redis.call('ZREM', line, module)
    sound(module)
    local caller = redis.call('HGET', job(module), 'caller') or ''
    local place = next_place(1, caller)
    redis.call('ZADD', line, text(place), module)
    redis.call('ZADD', turns, text(place + 1), '1:' .. caller)
    redis.call('HSET', job(module), 'place', text(place))
  end
end
return ''
"""
)

RENEW: Final = (
    _PRELUDE
    + """
-- ARGV: module, name of the claim, milliseconds of the lease. Returns whether it is still ours.
if not owned(ARGV[1], ARGV[2]) then return 0 end
redis.call('ZADD', running, now + tonumber(ARGV[3]), ARGV[1])
return 1
"""
)

GIVE_BACK: Final = (
    _PRELUDE
    + f"""
-- ARGV: module, name of the claim. Puts the job back into its place, as if never claimed.
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
-- ARGV: module, name of the claim, number of the last invalidation when the job was claimed, number
-- of the spool that has the module, or 0. Returns 0 and ends nothing if the module was
-- invalidated since. The job is removed before its end is announced: a caller that enqueued before
-- is woken, one that enqueues later gets a new job.
local module, spool = ARGV[1], tonumber(ARGV[4])
if owned(module, ARGV[2]) then
  if stale_before(module) > tonumber(ARGV[3]) then return 0 end
  redis.call('ZREM', running, module)
  redis.call('DEL', job(module), want(module))
  if spool > 0 then
    redis.call('ZADD', spooled, text(spool), module)
    if redis.call('ZCARD', spooled) > {MOST_SPOOLED} then
      local one = tonumber(time[2]) % {MOST_SPOOLED} -- any, so that no spool loses all its modules
      redis.call('ZREMRANGEBYRANK', spooled, one, one)
    end
  end
end
redis.call('PUBLISH', '{ENDED_CHANNEL}', module)
return 1
"""
)

OVERVIEW: Final = (
    _PRELUDE
    + """
-- ARGV: maximum of listed jobs. Returns {now, length of each band, times at which the first jobs of
-- each band were queued, {module, {worker, since, attempts, caller}} of running jobs, those whose
-- leases end last first: jobs that were only handed on come behind, number of running jobs}.
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
for at, module in ipairs(redis.call('ZRANGE', running, 0, most - 1, 'REV')) do
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
-- ARGV: an invalid module id. Removes it from the queue, whatever it is.
for _, key in ipairs({line, running, awaited}) do redis.call('ZREM', key, ARGV[1]) end
redis.call('DEL', job(ARGV[1]), want(ARGV[1]))
"""
)
