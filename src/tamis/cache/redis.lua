-- The Redis level's one script: each call is one step that nobody sees half done.
--
-- KEYS, all of one name space and so on one node of a cluster:
--   values   hash of "k" .. key to the packed entry
--   names    sorted by text: "k" .. key, and for each tag of it "t" .. length of the tag .. ":" .. tag .. key
--   ends     sorted by number: "k" .. key by the millisecond in which its time is over
--   used     sorted by number: "k" .. key by the order of use
--   touched  sorted by number: what others must forget, by the number of the change: "k" .. key, "t" .. tag, "p" .. prefix
--   meta     hash: epoch, seq, floor, prefixes (the last change by prefix), tick, bytes; the names of an entry's tags
--   leases   hash of "k" .. key to "end token"
-- The first six hold one member "!" each, so that none is ever empty: when Redis drops one of them to make room, all go.
--
-- ARGV: operation, the time now in ms (0: the server's), a new epoch in case one is needed, then the operation's own.

local values, names, ends, used, touched, meta, leases = unpack(KEYS)
local operation, now, fresh = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local ENTRY_BYTES, BATCH, TOUCHED_MAX, LEASES_MAX = 600, 500, 10000, 10000
local MARGIN_MS = 60000

if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local expired, evicted = 0, 0

local function number(name)
  return tonumber(redis.call('HGET', meta, name) or '0')
end

local function begin(epoch, seq)
  redis.call('UNLINK', unpack(KEYS))
  redis.call('HSET', values, '!', '')
  redis.call('ZADD', names, 0, '!')
  redis.call('ZADD', ends, 'inf', '!')
  redis.call('ZADD', used, 'inf', '!')
  redis.call('ZADD', touched, -1, '!')
  redis.call('HSET', meta, 'epoch', epoch, 'seq', seq, 'floor', seq, 'prefixes', seq, 'bytes', 0, 'tick', 0)
end

local function whole()
  return redis.call('EXISTS', values, names, ends, used, touched, meta) == 6
end

local function ensure()
  if not whole() then begin(fresh, 0) end
end

local function live_on(ms)
  if redis.call('PTTL', meta) >= ms + MARGIN_MS then return end
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 2 * (ms + MARGIN_MS)) end
end

-- Whether there was an entry whose time is not over.
local function drop(key)
  local size = redis.call('HSTRLEN', values, key)
  if size == 0 then return false end
  local tags = redis.call('HGET', meta, key)
  if tags then
    redis.call('ZREM', names, unpack(cmsgpack.unpack(tags)))
    redis.call('HDEL', meta, key)
  end
  local over = tonumber(redis.call('ZSCORE', ends, key) or '0')
  redis.call('HDEL', values, key)
  redis.call('ZREM', names, key)
  redis.call('ZREM', ends, key)
  redis.call('ZREM', used, key)
  redis.call('HINCRBY', meta, 'bytes', -(size + #key + ENTRY_BYTES))
  return over > now
end

local function drop_all(members)
  local count = 0
  for _, key in ipairs(members) do
    if drop(key) then count = count + 1 end
  end
  return count
end

-- Tell others that they must forget it; the number of the change.
local function touch(name)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('ZADD', touched, seq, name)
  local extra = redis.call('ZCARD', touched) - 1 - TOUCHED_MAX
  if extra > BATCH then
    local last = redis.call('ZRANGE', touched, extra, extra, 'WITHSCORES')
    redis.call('ZREMRANGEBYRANK', touched, 1, extra)
    redis.call('HSET', meta, 'floor', last[2])
  end
  return seq
end

-- Whether something happened after the position that concerns the key or its tags, or may have.
local function changed_since(epoch, seq, key, tags)
  if epoch ~= redis.call('HGET', meta, 'epoch') or seq < number('floor') then return true end
  local function is_later(name)
    return tonumber(redis.call('ZSCORE', touched, name) or '-1') > seq
  end
  if is_later(key) then return true end
  for _, tag in ipairs(tags) do
    if is_later('t' .. tag) then return true end
  end
  if number('prefixes') > seq then
    for length = 1, #key do
      if is_later('p' .. string.sub(key, 2, length)) then return true end
    end
  end
  return false
end

local function release(key, token)
  local lease = redis.call('HGET', leases, key)
  if lease and string.match(lease, ' (.*)$') == token then redis.call('HDEL', leases, key) end
end

local function make_room(bytes_max, entries_max)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 16)) do
    drop(key)
    expired = expired + 1
  end
  while number('bytes') > bytes_max or redis.call('HLEN', values) - 1 > entries_max do
    local key = redis.call('ZRANGE', used, 0, 0)[1]
    if key == '!' then return end
    if drop(key) then evicted = evicted + 1 else expired = expired + 1 end
  end
end

local operations = {}

function operations.read(key)
  local value = redis.call('HGET', values, key)
  if not value or not redis.call('ZSCORE', names, key) then return {0} end
  local over = tonumber(redis.call('ZSCORE', ends, key) or '0')
  if over <= now then
    if whole() then drop(key) end
    return {0, 1}
  end
  redis.call('ZADD', used, 'XX', redis.call('HINCRBY', meta, 'tick', 1), key)
  return {1, over - now, value}
end

-- computed: "1" when it must not be kept if the key or its tags changed after the position; else it is kept unless all
-- was cleared. token: the lease that this ends. Answers 1 and the number of the change, or 0 when it came too late.
function operations.write(key, value, ms, bytes_max, entries_max, epoch, seq, computed, token, ...)
  ensure()
  local tags = {...}
  ms, seq = tonumber(ms), tonumber(seq)
  if token ~= '' then release(key, token) end
  local late
  if computed == '1' then
    late = changed_since(epoch, seq, key, tags)
  else
    late = epoch ~= redis.call('HGET', meta, 'epoch') or seq < number('floor')
  end
  if late then return {0} end
  drop(key)
  redis.call('HSET', values, key, value)
  redis.call('ZADD', names, 0, key)
  redis.call('ZADD', ends, now + ms, key)
  redis.call('ZADD', used, redis.call('HINCRBY', meta, 'tick', 1), key)
  redis.call('HINCRBY', meta, 'bytes', #value + #key + ENTRY_BYTES)
  if #tags > 0 then
    local members = {}
    for index, tag in ipairs(tags) do
      members[index] = 't' .. #tag .. ':' .. tag .. string.sub(key, 2)
      redis.call('ZADD', names, 0, members[index])
    end
    redis.call('HSET', meta, key, cmsgpack.pack(members))
  end
  local change = 0
  if computed ~= '1' then change = touch(key) end
  make_room(tonumber(bytes_max), tonumber(entries_max))
  live_on(ms)
  return {1, change, expired, evicted}
end

function operations.remove(key)
  ensure()
  local count = drop_all({key})
  return {count, touch(key)}
end

-- In pieces of BATCH, so that nobody else waits long; the caller goes on while the third of the answer is 1.
function operations.remove_prefix(prefix, is_first)
  ensure()
  local members = redis.call('ZRANGEBYLEX', names, '[k' .. prefix, '(k' .. prefix .. '\255', 'LIMIT', 0, BATCH)
  local count, change = drop_all(members), 0
  if is_first == '1' then
    change = touch('p' .. prefix)
    redis.call('HSET', meta, 'prefixes', change)
  end
  return {count, change, #members == BATCH and 1 or 0}
end

function operations.remove_tag(tag, is_first)
  ensure()
  local start = 't' .. #tag .. ':' .. tag
  local members = redis.call('ZRANGEBYLEX', names, '[' .. start, '(' .. start .. '\255', 'LIMIT', 0, BATCH)
  local keys = {}
  for index, member in ipairs(members) do keys[index] = 'k' .. string.sub(member, #start + 1) end
  local count, change = drop_all(keys), 0
  if is_first == '1' then change = touch('t' .. tag) end
  return {count, change, #members == BATCH and 1 or 0}
end

function operations.clear()
  ensure()
  local count = redis.call('ZCOUNT', ends, '(' .. now, '(inf')
  local epoch, seq = redis.call('HGET', meta, 'epoch'), number('seq') + 1
  begin(epoch, seq)
  live_on(0)
  return {count, seq, epoch}
end

function operations.position()
  ensure()
  live_on(0)
  return {redis.call('HGET', meta, 'epoch'), number('seq')}
end

-- What changed after a position, with the new position; "all" when that is not known, or everything.
function operations.changes(epoch, seq)
  ensure()
  live_on(0)
  local found = {redis.call('HGET', meta, 'epoch'), number('seq'), 'some'}
  if epoch ~= found[1] or tonumber(seq) < number('floor') then
    found[3] = 'all'
    return found
  end
  local names_then_seqs = redis.call(
    'ZRANGEBYSCORE', touched, '(' .. seq, '+inf', 'WITHSCORES', 'LIMIT', 0, BATCH + 1)
  if #names_then_seqs > 2 * BATCH then
    found[3] = 'all'
    return found
  end
  for _, item in ipairs(names_then_seqs) do found[#found + 1] = item end
  return found
end

-- 1 when the caller has the lease now, or had it and has it longer.
function operations.lease(key, token, ms)
  ensure()
  local lease = redis.call('HGET', leases, key)
  if lease then
    local over, holder = string.match(lease, '^(%d+) (.*)$')
    if holder ~= token and tonumber(over) > now then return {0} end
  elseif redis.call('HLEN', leases) >= LEASES_MAX then
    redis.call('UNLINK', leases)
  end
  redis.call('HSET', leases, key, string.format('%.0f %s', now + tonumber(ms), token))
  redis.call('PEXPIRE', leases, tonumber(ms) + MARGIN_MS)
  return {1}
end

function operations.release(key, token)
  release(key, token)
  return {1}
end

function operations.statistics()
  if not whole() then return {0, 0} end
  return {redis.call('HLEN', values) - 1, number('bytes')}
end

return operations[operation](unpack(ARGV, 4))
