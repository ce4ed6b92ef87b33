/**
 * What the server does in one step. Each script gets the keys of one state: the state, its history, and what is left of a
 * removed one. What comes back is plain: a revision, or `foreign` for a key that holds something else than a state.
 */
import type { Script } from "./Server.ts"

/** What the server answers for a key that is not ours. */
export const foreign = "foreign"

// Numbers of Lua are doubles, as ours are; as text they must not become 1.7e+15.
const number = `
local function text(n) return string.format('%.0f', n) end
`

const pattern = `'^dgents1 (%d+) (%d+) (%S+) %S+ [tb]\\n'`

/** Finds the line of the state: `revision`, `since` and `savedAt`, 0 where there is none. */
export const line = `${number}
local line = redis.call('GETRANGE', KEYS[1], 0, 159)
local revision, since, savedAt = 0, 0, '0'
if line ~= '' then
  local r, s, t = string.match(line, ${pattern})
  if not r then return '${foreign}' end
  revision, since, savedAt = tonumber(r), tonumber(s), t
end
`

// The revision of a new state is the server's time: above all that the key ever had, with nothing kept about keys that are
// gone. What a removed one had counts for a day, should the clock have been set back.
const birth = (removed: string) => `
  local time = redis.call('TIME')
  local last = string.match(redis.call('GET', ${removed}) or '0', '^%d+')
  revision = math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]), tonumber(last) + 1)
`

/** What every script that writes begins its arguments with, in this order. */
export interface Commit {
  /** The revision that has to be current; 0: no state. */
  readonly expected: number | "any"
  /** What the line of the state ends with: when it was saved, the name of the write, and what kind of payload follows. */
  readonly end: string
  readonly payload: string | Uint8Array
}

/** What is kept, and for how long: what comes next, in this order. */
export interface Keeping {
  /** How many states are kept, the current one included; 0: all. 1: the history is left alone. */
  readonly count: number
  /** Superseded states saved before this time, in milliseconds since the epoch, go. */
  readonly from: number | ""
  /** In milliseconds; 0: the state does not expire. */
  readonly timeToLive: number
  /** 1: a state that is replaced keeps the time at which it expires. */
  readonly fromCreation: 0 | 1
}

/** The arguments of a commit. */
export const commitArguments = ({ end, expected, payload }: Commit) => [expected, end, payload]

/** The arguments that say what is kept. */
export const keepingArguments = ({ count, from, fromCreation, timeToLive }: Keeping) => [
  count,
  from,
  timeToLive,
  fromCreation
]

/** Stores a state as the next one: `commit(state)`. Comes behind `line`. */
export const commit = `
local keep = tonumber(ARGV[4])
local function commit(state)
  local isNew = revision == 0
  if isNew then
${birth("KEYS[3]")}
    since = revision
  else
    if keep ~= 1 then
      redis.call('XADD', KEYS[2], text(revision) .. '-0', 't', savedAt, 's', redis.call('GET', KEYS[1]))
    end
    revision = revision + 1
  end
  if keep > 1 then redis.call('XTRIM', KEYS[2], 'MINID', text(math.max(0, revision - keep + 1))) end
  if keep ~= 1 and ARGV[5] ~= '' then
    local from = tonumber(ARGV[5])
    while true do
      local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
      if not oldest or tonumber(oldest[2][2]) >= from then break end
      redis.call('XDEL', KEYS[2], oldest[1])
    end
  end
  local value = 'dgents1 ' .. text(revision) .. ' ' .. text(since) .. ' ' .. ARGV[2] .. '\\n' .. state
  local ttl = tonumber(ARGV[6])
  if ttl > 0 then
    local time = redis.call('TIME')
    local now = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
    local at = now + ttl
    if ARGV[7] == '1' and not isNew then
      local left = redis.call('PTTL', KEYS[1])
      if left > 0 then at = now + left end
    end
    redis.call('SET', KEYS[1], value, 'PXAT', text(at))
    redis.call('PEXPIREAT', KEYS[2], text(at))
  else
    redis.call('SET', KEYS[1], value)
    if keep ~= 1 then redis.call('PERSIST', KEYS[2]) end
  end
  redis.call('PUBLISH', KEYS[1], text(revision))
end
`

/** Writes a state: `commitArguments`, `keepingArguments`. Answers its revision; `-n - 1` when n was found instead. */
export const write: Script = {
  name: "write",
  lua: `${line}
if ARGV[1] ~= 'any' and tonumber(ARGV[1]) ~= revision then return -revision - 1 end
${commit}
commit(ARGV[3])
return revision`
}

// What is looked up once is not looked up for each state. `removed` is false for who expects that there is a state.
const plain = `
local call, pcall, match, format = redis.call, redis.pcall, string.match, string.format
local byte, char = string.byte, string.char
local function write(key, removed, expected, ending, state)
  local line = pcall('GETRANGE', key, 0, 159)
  local revision, last, since
  if line == '' then
    if expected ~= 'any' and expected ~= '0' then return -1 end
    if not removed then return false end
${birth("removed")}
    revision = format('%.0f', revision)
    since = revision
  else
    if type(line) == 'string' then revision, last, since = match(line, '^dgents1 (%d*)(%d) (%d+) %S+ %S+ [tb]\\n') end
    if not revision then return '${foreign}' end
    if expected ~= 'any' and expected ~= revision .. last then return -(revision .. last) - 1 end
    -- Mostly one digit changes: to make a text of the whole number takes longer than all that comes before.
    if last == '9' then revision = format('%.0f', (revision .. last) + 1)
    else revision = revision .. char(byte(last) + 1) end
  end
  call('SET', key, 'dgents1 ' .. revision .. ' ' .. since .. ' ' .. ending .. '\\n' .. state)
  call('PUBLISH', key, revision)
  return tonumber(revision)
end
if #ARGV == 3 then return write(KEYS[1], KEYS[2] or false, ARGV[1], ARGV[2], ARGV[3]) end
local answers = {}
for i = 1, #ARGV / 3 do
  local key, removed = KEYS[i], false
  if #KEYS > #ARGV / 3 then key, removed = KEYS[2 * i - 1], KEYS[2 * i] end
  answers[i] = write(key, removed, ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i])
end
return answers`

/**
 * Writes states that have no history and do not expire, one after the other, each at two thirds of the cost. For each the key of the
 * state and the one of a removed one, and `commitArguments`. Answers what `write` answers, of several a list.
 *
 * Without the keys of removed ones, for those that replace a state, it takes a twentieth less: it answers nil where there is none, and
 * does nothing then.
 */
export const writePlain: Script = { name: "write", lua: plain }

/** Removes a state and its history: the name of the write. Answers the revision removed; 0 for none. */
export const remove: Script = {
  name: "remove",
  lua: `${line}
if revision == 0 then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], text(revision) .. ' ' .. ARGV[1], 'PX', 86400000)
redis.call('PUBLISH', KEYS[1], text(revision))
return revision`
}

/** Reads a state and lets it live on: a time in milliseconds. Answers the state; nil for none. */
export const touch: Script = {
  name: "touch",
  lua: `
local state = redis.call('GETEX', KEYS[1], 'PX', ARGV[1])
if state then redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
return state`
}

/** The current state, and superseded ones below a revision, newest first: that revision or `+`, and how many at most. */
export const history: Script = {
  name: "history",
  lua: `
local last = '+'
if ARGV[1] ~= '+' then last = '(' .. ARGV[1] .. '-0' end
local past = redis.call('XREVRANGE', KEYS[2], last, '-', 'COUNT', ARGV[2])
local states = { redis.call('GET', KEYS[1]) }
for i = 1, #past do states[i + 1] = past[i][2][4] end
return states`
}

/** The newest revision saved at or before a time in milliseconds since the epoch. Answers 0 for none; halves, never scans. */
export const revisionAt: Script = {
  name: "revisionAt",
  lua: `${line}
local at = tonumber(ARGV[1])
if revision == 0 then return 0 end
if tonumber(savedAt) <= at then return revision end
local function number(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function below(n) return redis.call('XREVRANGE', KEYS[2], text(n) .. '-0', '-', 'COUNT', 1)[1] end
local oldest = redis.call('XRANGE', KEYS[2], text(since) .. '-0', '+', 'COUNT', 1)[1]
if not oldest or tonumber(oldest[2][2]) > at then return 0 end
local low, high = number(oldest), revision - 1
while low < high do
  local middle = math.ceil((low + high) / 2)
  local entry = below(middle)
  if tonumber(entry[2][2]) <= at then low = middle else high = number(entry) - 1 end
end
return number(below(low))`
}
