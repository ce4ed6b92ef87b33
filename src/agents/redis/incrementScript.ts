import type { Script } from "./Server.ts"
import { commit, line } from "./scripts.ts"

/**
 * Adds to a number inside a state that is JSON text. After `commitArguments`, whose payload is the state to begin with or empty,
 * and `keepingArguments`: the number to add, whether the sum has to be an integer, whether a property that is missing begins at 0, whether the answer
 * has the state, and the path: `k` and a property's name as JSON, or `i` and an index.
 *
 * Answers the revision, the sum, and the state or an empty string; a string of what was wrong otherwise.
 */
export const increment: Script = {
  name: "increment",
  lua: `${line}
local state
if revision == 0 then
  if ARGV[3] == '' then return 'absent' end
  state = ARGV[3]
else
  local value = redis.call('GET', KEYS[1])
  local first = string.find(value, '\\n', 1, true)
  if string.sub(value, first - 1, first - 1) ~= 't' then return 'bytes' end
  state = string.sub(value, first + 1)
end

-- The place after the value that begins at i.
local function after(i)
  local c = string.byte(state, i)
  if c == 34 then
    while true do
      i = string.find(state, '["\\\\]', i + 1)
      if string.byte(state, i) == 34 then return i + 1 end
      i = i + 1
    end
  elseif c == 123 or c == 91 then
    local depth = 0
    repeat
      i = string.find(state, '["{}%[%]]', i)
      local b = string.byte(state, i)
      if b == 34 then i = after(i)
      else
        if b == 123 or b == 91 then depth = depth + 1 else depth = depth - 1 end
        i = i + 1
      end
    until depth == 0
    return i
  end
  return string.find(state, '[,%]}]', i) or #state + 1
end

local function find()
  local i = 1
  for n = 12, #ARGV do
    local step = ARGV[n]
    local kind, name = string.sub(step, 1, 1), string.sub(step, 2)
    local open = string.byte(state, i)
    i = i + 1
    if kind == 'k' then
      if open ~= 123 then return nil, 'shape' end
      if string.byte(state, i) == 125 then
        if n == #ARGV then return nil, i, name .. ':' end
        return nil, 'missing'
      end
      while true do
        local colon = after(i)
        local isIt = string.sub(state, i, colon - 1) == name
        i = colon + 1
        if isIt then break end
        i = after(i)
        if string.byte(state, i) == 125 then
          if n == #ARGV then return nil, i, ',' .. name .. ':' end
          return nil, 'missing'
        end
        i = i + 1
      end
    else
      if open ~= 91 then return nil, 'shape' end
      for _ = 1, tonumber(name) do
        if string.byte(state, i) == 93 then return nil, 'missing' end
        i = after(i)
        if string.byte(state, i) == 93 then return nil, 'missing' end
        i = i + 1
      end
      if string.byte(state, i) == 93 then return nil, 'missing' end
    end
  end
  return i
end

local function shortest(n)
  if n == math.floor(n) and math.abs(n) < 9007199254740993 then return text(n) end
  for digits = 15, 17 do
    local s = string.format('%.' .. digits .. 'g', n)
    if tonumber(s) == n then return s end
  end
end

local at, missing, name = find()
local number, stop = 0, nil
if at then
  stop = after(at)
  local token = string.sub(state, at, stop - 1)
  if not string.find(token, '^%-?%d') then return 'number' end
  number = tonumber(token)
elseif name and ARGV[10] == '1' then
  at, stop = missing, missing
elseif name then
  return 'missing'
else
  return missing
end
local sum = number + tonumber(ARGV[8])
if sum ~= sum or sum == math.huge or sum == -math.huge then return 'large' end
if ARGV[9] == '1' and (math.abs(sum) > 9007199254740991 or sum ~= math.floor(sum)) then return 'large' end
local digits = shortest(sum)
state = string.sub(state, 1, at - 1) .. (name or '') .. digits .. string.sub(state, stop)
${commit}
commit(state)
return { revision, digits, ARGV[11] == '1' and state or '' }`
}
