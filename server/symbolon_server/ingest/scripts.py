"""What the queue does to Redis in one step, each step a Lua script.

RQ's own way to enqueue a job that exists at most once takes several round trips for each,
cannot let one job overtake another, and pops a job in one step and notes who has it in
another, so that a worker which dies in between takes the job with it. These scripts keep
RQ's keys for jobs and queues (`rq:job:*`, `rq:queue:*`: `rq info` shows them), and add

* `ingest:running`: job ids of claimed jobs, scored with the millisecond their lease ends;
* `ingest:wanted:<job id>`: the module offsets that callers ask for;
* `ingest:bell`: a stream of at most one entry; a new one is added when there is a new job,
  so that workers wait for it without taking anything.

A job is in one of three states, and every change of state is one script:

    (no hash) --enqueue--> queued --claim--> started --end--> (no hash)
                             ^                |  ^ |
                             +---give back----+  +-+ claim, when its lease has lapsed
"""

from rq.job import Job
from rq.queue import Queue

from symbolon_server.cache.invalidation_scripts import LARGEST_NUMBER, LOG_FUNCTIONS
from symbolon_server.cache.invalidations import MOST_MODULES
from symbolon_server.cache.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.ingest.jobs import TOLD_FIELDS, Priority

QUEUE_KEYS = tuple(Queue.redis_queue_namespace_prefix + priority.value for priority in Priority)
"""In the order in which they are emptied."""

RUNNING_KEY = "ingest:running"
BELL_KEY = "ingest:bell"
JOB_PREFIX = Job.redis_job_namespace_prefix
WANTED_PREFIX = "ingest:wanted:"

_INVALIDATIONS = f"""
local invalidated, epoch_key, most_invalidated = '{INVALIDATED_KEY}', '{EPOCH_KEY}', {MOST_MODULES}
{LOG_FUNCTIONS}
-- What was made of a module as of an earlier invalidation than this is stale.
local function stale_before(module)
  local number = tonumber(redis.call('ZSCORE', invalidated, module)) or 0
  if number > {LARGEST_NUMBER} then -- not from us
    number = 0
  end
  if redis.call('ZCARD', invalidated) < most_invalidated then
    return number
  end
  return math.max(number, tonumber(redis.call('ZRANGE', invalidated, 0, 0, 'WITHSCORES')[2]))
end
"""

ENDED_CHANNEL = "ingest:ended"
"""Module ids of jobs that ended, as text."""

ALL_KEYS = (*QUEUE_KEYS, RUNNING_KEY, BELL_KEY)
"""What every script gets as KEYS."""

_PRELUDE = f"""
local interactive, prefetch, running, bell = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_prefix, wanted_prefix = '{JOB_PREFIX}', '{WANTED_PREFIX}'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function ring()
  redis.call('XADD', bell, 'MAXLEN', 1, '*', 'at', now)
end

local function is_owned(id, owner)
  return redis.call('HGET', job_prefix .. id, 'worker_name') == owner
end
"""

_IN_FLIGHT = """
-- Whether a job will still come to an end by itself. A hash may be left without its place in
-- a queue when somebody deletes the queue; looking for it takes a while in a long queue, so
-- once a minute is enough.
local function is_in_flight(id)
  local key = job_prefix .. id
  local status = redis.call('HGET', key, 'status')
  if status == 'started' then
    return redis.call('ZSCORE', running, id) ~= false
  end
  if status ~= 'queued' then
    return false
  end
  local seen = tonumber(redis.call('HGET', key, 'seen_in_queue')) or 0
  if math.abs(now - seen) < 60000 then -- the time of day may have been set back since
    return true
  end
  redis.call('HSET', key, 'seen_in_queue', now)
  return (redis.call('LPOS', interactive, id) or redis.call('LPOS', prefetch, id)) ~= false
end
"""

ENQUEUE = (
    _PRELUDE
    + _IN_FLIGHT
    + """
-- ARGV: 1 to overtake, most offsets kept for a job, most jobs of a queue; then for each job: its
-- id, the number of arguments for HSET and these, the number of those that say what is known of
-- its module and these, which are kept beside what was said before, the number of offsets and
-- these. Returns the number of new jobs and of those that there was no room for.
local overtakes, most_wanted, most_queued = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3])
local queue = overtakes and interactive or prefetch
local room = most_queued - redis.call('LLEN', queue)
local added, refused, at = 0, 0, 4
while at <= #ARGV do
  local id = ARGV[at]
  local first, last = at + 2, at + 1 + tonumber(ARGV[at + 1])
  local first_told = last + 2
  local last_told = last + 1 + tonumber(ARGV[last + 1])
  local first_wanted = last_told + 2
  local last_wanted = last_told + 1 + tonumber(ARGV[last_told + 1])
  local key, wanted_key = job_prefix .. id, wanted_prefix .. id
  local is_new = not is_in_flight(id)
  if is_new and added >= room then
    refused = refused + 1
  elseif is_new then
    redis.call('DEL', key, wanted_key)
    redis.call('ZREM', running, id)
    redis.call('HSET', key, 'seen_in_queue', now, 'queued_at', now, unpack(ARGV, first, last))
    redis.call('RPUSH', queue, id)
    added = added + 1
  elseif overtakes and redis.call('HGET', key, 'origin') == 'prefetch'
      and redis.call('LREM', prefetch, 1, id) == 1 then
    redis.call('RPUSH', interactive, id)
    redis.call('HSET', key, 'origin', 'interactive')
  end
  if redis.call('EXISTS', key) == 1 then
    for told = first_told, last_told, 2 do
      redis.call('HSETNX', key, ARGV[told], ARGV[told + 1])
    end
  end
  if redis.call('EXISTS', key) == 1 and last_wanted >= first_wanted
      and redis.call('SCARD', wanted_key) < most_wanted then
    redis.call('SADD', wanted_key, unpack(ARGV, first_wanted, last_wanted))
  end
  at = last_wanted + 1
end
if added > 0 then
  ring()
end
return {added, refused}
"""
)

FIND_ENDED = (
    _PRELUDE
    + _IN_FLIGHT
    + """
-- ARGV: job ids. Returns those that no worker will end: not queued and not running.
local ended = {}
for _, id in ipairs(ARGV) do
  if not is_in_flight(id) then
    ended[#ended + 1] = id
  end
end
return ended
"""
)

_TOLD = f"""
-- What is known of a job's module beside its id.
local function told_of(key)
  return redis.call('HMGET', key, {", ".join(f"'{name}'" for name in TOLD_FIELDS)})
end
"""

CLAIM = (
    _PRELUDE
    + _INVALIDATIONS
    + _TOLD
    + """
-- ARGV: the claim's name, milliseconds of its lease. Returns {id, attempts, offsets, the number of
-- the last invalidation, that before which the module is stale, milliseconds since it was queued,
-- what is known of the module}, or the bell's last entry when there is nothing to do.
local owner, lease = ARGV[1], tonumber(ARGV[2])

local function claim(id)
  local key = job_prefix .. id
  redis.call('HSET', key, 'status', 'started', 'worker_name', owner)
  redis.call('ZADD', running, now + lease, id)
  local attempts = redis.call('HINCRBY', key, 'attempts', 1)
  local wanted = redis.call('SMEMBERS', wanted_prefix .. id)
  local module = redis.call('HGET', key, 'description') or ''
  local waited = now - (tonumber(redis.call('HGET', key, 'queued_at')) or now)
  local told = told_of(key)
  return {id, attempts, wanted, last_invalidation(), stale_before(module), waited, told}
end

-- No lease ends later than one lease from now, unless the time of day was set back.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '(' .. (now + lease), '+inf')) do
  redis.call('ZADD', running, now + lease, id)
end

-- A job whose worker is gone comes first: somebody has waited for it since.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '-inf', now)) do
  if redis.call('HGET', job_prefix .. id, 'status') == 'started' then
    return claim(id)
  end
  redis.call('ZREM', running, id)
end

for _, queue in ipairs({interactive, prefetch}) do
  local id = redis.call('LPOP', queue)
  while id do
    if redis.call('HGET', job_prefix .. id, 'status') == 'queued' then
      return claim(id)
    end
    id = redis.call('LPOP', queue)
  end
end

local last = redis.call('XREVRANGE', bell, '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or '0-0'
"""
)

RENEW = (
    _PRELUDE
    + """
-- ARGV: job id, the claim's name, milliseconds of its lease. Returns whether it is still ours.
if not is_owned(ARGV[1], ARGV[2]) then
  return 0
end
redis.call('ZADD', running, now + tonumber(ARGV[3]), ARGV[1])
return 1
"""
)

GIVE_BACK = (
    _PRELUDE
    + """
-- ARGV: job id, the claim's name. Puts the job where it came from, before all others.
if not is_owned(ARGV[1], ARGV[2]) then
  return 0
end
local key = job_prefix .. ARGV[1]
redis.call('HSET', key, 'status', 'queued', 'seen_in_queue', now)
redis.call('HDEL', key, 'worker_name')
redis.call('HINCRBY', key, 'attempts', -1)
redis.call('ZREM', running, ARGV[1])
local is_prefetch = redis.call('HGET', key, 'origin') == 'prefetch'
redis.call('LPUSH', is_prefetch and prefetch or interactive, ARGV[1])
ring()
return 1
"""
)

END = (
    _PRELUDE
    + _INVALIDATIONS
    + f"""
-- ARGV: job id, the claim's name, module id, the number of the last invalidation when the job was
-- claimed. Returns 0 and ends nothing if the module was invalidated since. The job is gone before
-- anybody hears of it: who asks before this is told, who asks after it gets a new job.
if is_owned(ARGV[1], ARGV[2]) then
  if stale_before(ARGV[3]) > tonumber(ARGV[4]) then
    return 0
  end
  redis.call('DEL', job_prefix .. ARGV[1], wanted_prefix .. ARGV[1])
  redis.call('ZREM', running, ARGV[1])
end
redis.call('PUBLISH', '{ENDED_CHANNEL}', ARGV[3])
return 1
"""
)
