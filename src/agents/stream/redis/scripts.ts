/**
 * What the server does in one step. Each script gets the keys of one stream: what is known of it (`dgentslog1 <last position>
 * <its time> <compacted up to> <last write> <its first position>`), its events as a Redis Stream whose ids are positions,
 * and the ids of appends. An event has the fields `t` (type), `d` (data), `a` (time), and `i` if it is the last of a named append.
 */
import type { Script } from "../../redis/Server.ts"

/** What the server answers for a key that is not ours. */
export const foreign = "foreign"

const head = `
local function text(n) return string.format('%.0f', n) end
local head = redis.call('GET', KEYS[1])
local last, lastAt, compacted, operation, first = 0, nil, 0, '', 0
if head then
  local l, a, c, o, f = string.match(head, '^dgentslog1 (%d+) (%S+) (%d+) (%S+) (%d+)$')
  if not l then return '${foreign}' end
  last, lastAt, compacted, operation, first = tonumber(l), a, tonumber(c), o, tonumber(f)
end
local function save()
  redis.call('SET', KEYS[1], 'dgentslog1 ' .. text(last) .. ' ' .. lastAt .. ' ' .. text(compacted) .. ' ' .. operation .. ' ' .. text(first))
end
`

/**
 * Appends: the expected position or `any`, the time, the name of the write, `=` and the id or nothing, then type and data of each event.
 * Answers the first and the last position, and who appended: 1 for another write of the same id. `-n - 1` when n was found instead.
 */
export const append: Script = {
  name: "append",
  lua: `${head}
if ARGV[4] ~= '' then
  local known = redis.call('HGET', KEYS[3], ARGV[4])
  if known then
    local f, l, o = string.match(known, '^(%d+) (%d+) (%S+)$')
    return { tonumber(f), tonumber(l), o == ARGV[3] and 0 or 1 }
  end
end
if ARGV[1] ~= 'any' and tonumber(ARGV[1]) ~= last then return -last - 1 end
local at = ARGV[2]
if lastAt and tonumber(lastAt) > tonumber(at) then at = lastAt end
first = last + 1
for i = 5, #ARGV, 2 do
  last = last + 1
  if ARGV[4] ~= '' and i + 1 == #ARGV then
    redis.call('XADD', KEYS[2], text(last) .. '-0', 't', ARGV[i], 'd', ARGV[i + 1], 'a', at, 'i', ARGV[4])
  else
    redis.call('XADD', KEYS[2], text(last) .. '-0', 't', ARGV[i], 'd', ARGV[i + 1], 'a', at)
  end
end
lastAt, operation = at, ARGV[3]
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[4], text(first) .. ' ' .. text(last) .. ' ' .. operation) end
save()
redis.call('PUBLISH', KEYS[1], text(last))
return { first, last, 0 }`
}

/** What became of a write: its name. Answers the first and the last position; nothing when it cannot be told. */
export const lookUp: Script = {
  name: "lookUp",
  lua: `${head}
if operation == ARGV[1] then return { first, last } end
return {}`
}

/** Answers up to where events were compacted, and the last position. */
export const bounds: Script = { name: "bounds", lua: `${head}\nreturn { compacted, last }` }

/**
 * A page: the position before it, how many events at most, how many bytes end it. Answers id, type, data and time of each. Events
 * whose key is gone, evicted or deleted by others, are not taken for the end.
 */
export const read: Script = {
  name: "read",
  lua: `${head}
local page, bytes, left = {}, 0, tonumber(ARGV[2])
local from = '(' .. ARGV[1] .. '-0'
while left > 0 and bytes < tonumber(ARGV[3]) do
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', math.min(left, 64))
  for i = 1, #entries do
    local fields = entries[i][2]
    local n = #page
    page[n + 1], page[n + 2], page[n + 3], page[n + 4] = entries[i][1], fields[2], fields[4], fields[6]
    bytes = bytes + #fields[4]
    left = left - 1
    if bytes >= tonumber(ARGV[3]) then break end
  end
  if #entries < 64 then break end
  from = '(' .. entries[#entries][1]
end
if #page == 0 and tonumber(ARGV[2]) > 0 and last > math.max(tonumber(ARGV[1]), compacted) then return '${foreign}' end
return page`
}

/** The position of the last event appended at or before a time; halves, never scans. */
export const positionAt: Script = {
  name: "positionAt",
  lua: `${head}
local at = tonumber(ARGV[1])
if last == 0 then return 0 end
if tonumber(lastAt) <= at then return last end
local low, high = compacted, last - 1
while low < high do
  local middle = math.ceil((low + high) / 2)
  local event = redis.call('XRANGE', KEYS[2], text(middle) .. '-0', text(middle) .. '-0')[1]
  if tonumber(event[2][6]) <= at then low = middle else high = middle - 1 end
end
return low`
}

/** Removes some of the events up to a position, and forgets their ids. Answers 1 while there are more of them. */
export const compact: Script = {
  name: "compact",
  lua: `${head}
local upTo = math.min(tonumber(ARGV[1]), last)
if upTo <= compacted then return 0 end
local to = math.min(upTo, compacted + 500)
local entries = redis.call('XRANGE', KEYS[2], '-', text(to) .. '-0')
for i = 1, #entries do
  local fields = entries[i][2]
  if fields[7] == 'i' then redis.call('HDEL', KEYS[3], fields[8]) end
end
redis.call('XTRIM', KEYS[2], 'MINID', text(to + 1))
compacted = to
save()
return to < upTo and 1 or 0`
}
