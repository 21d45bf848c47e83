--- `ngx.re` with PCRE. It returns and raises the same as lua-resty-core.

local native = require("kong.response.testing.native").ngx


local compile_native = native.compile
local concat = table.concat
local describe = native.describe
local error = error
local find_native = native.find
local find = string.find
local fmt = string.format
local match = string.match
local sub = string.sub
local tonumber = tonumber
local tostring = tostring
local type = type
local unknown_option = native.unknown_option


-- The maximum number of compiled expressions in the cache.
local MAX_COMPILED = 500

local compiled, count = {}, 0


-- Returns a compiled expression, or nil and an error.
local function compile(pattern, options)
  options = options or ""
  if type(pattern) ~= "string" then
    error(fmt("attempt to get length of local 'regex' (a %s value)", type(pattern)), 3)
  elseif type(options) ~= "string" then
    error(fmt("attempt to get length of local 'opts' (a %s value)", type(options)), 3)
  end
  local key = options .. "/" .. pattern
  local regex = compiled[key]
  if regex then
    return regex
  end
  local letter = unknown_option(options)
  if letter then
    error(fmt('unknown flag "%s" (flags "%s")', letter, options), 3)
  end
  local handle, err = compile_native(pattern, options)
  if not handle then
    return nil, err
  end
  local groups, names = describe(handle)
  regex = {
    handle = handle, groups = groups, names = #names > 0 and names or nil,
    repeats_names = find(options, "D", 1, true) ~= nil,
  }
  if count >= MAX_COMPILED then
    compiled, count = {}, 0
  end
  compiled[key] = regex
  count = count + 1
  return regex
end


local function name_groups(regex, groups)
  for i = 1, #regex.names do
    local number, name = regex.names[i][1], regex.names[i][2]
    local value = groups[number]
    if not regex.repeats_names then
      groups[name] = value
    elseif value then
      local before = groups[name]
      if before then
        before[#before + 1] = value
      else
        groups[name] = { value }
      end
    end
  end
end


-- Returns the texts of the groups of a match, by number and by name.
local function groups_of(regex, subject, ends, groups)
  groups = groups or {}
  for i = 0, regex.groups do
    local from = ends[2 * i + 1]
    groups[i] = from and sub(subject, from + 1, ends[2 * i + 2])
  end
  if regex.names then
    name_groups(regex, groups)
  end
  return groups
end


local function start_of(ctx)
  local pos = ctx and ctx.pos
  if not pos then
    return 0
  end
  pos = tonumber(pos)
  return pos > 0 and pos - 1 or 0
end


local _M = {}


function _M.match(subject, pattern, options, ctx, result)
  local regex, err = compile(pattern, options)
  if not regex then
    return nil, err
  end
  subject = tostring(subject)
  local ends
  ends, err = find_native(regex.handle, subject, start_of(ctx))
  if not ends then
    return nil, err
  end
  if ctx then
    ctx.pos = ends[2] + 1
  end
  return groups_of(regex, subject, ends, result)
end


function _M.find(subject, pattern, options, ctx, nth)
  local regex, err = compile(pattern, options)
  if not regex then
    return nil, nil, err
  end
  local ends
  ends, err = find_native(regex.handle, tostring(subject), start_of(ctx))
  if not ends then
    return nil, nil, err
  end
  if ctx then
    ctx.pos = ends[2] + 1
  end
  nth = nth or 0
  if nth > regex.groups then
    return nil, nil, "nth out of bound"
  end
  local from = ends[2 * nth + 1]
  if not from then
    return nil, nil
  end
  return from + 1, ends[2 * nth + 2]
end


function _M.gmatch(subject, pattern, options)
  local regex, err = compile(pattern, options)
  if not regex then
    return nil, err
  end
  subject = tostring(subject)
  local offset = 0
  return function()
    if not offset then
      return nil
    end
    local ends, failure = find_native(regex.handle, subject, offset)
    if not ends then
      offset = nil
      return nil, failure
    end
    offset = ends[2]
    if ends[1] == ends[2] then
      offset = offset < #subject and offset + 1 or nil
    end
    return groups_of(regex, subject, ends)
  end
end


-- Returns the pieces of a replacement: strings, and numbers of groups. Returns nil for a wrong one.
local function template_of(replacement)
  local pieces, at = {}, 1
  while true do
    local dollar = find(replacement, "$", at, true)
    if not dollar then
      pieces[#pieces + 1] = sub(replacement, at)
      return pieces
    end
    pieces[#pieces + 1] = sub(replacement, at, dollar - 1)
    local digits, after = match(replacement, "^(%d+)()", dollar + 1)
    if not digits then
      digits, after = match(replacement, "^{(%d+)}()", dollar + 1)
    end
    if digits then
      pieces[#pieces + 1] = tonumber(digits)
      at = after
    elseif sub(replacement, dollar + 1, dollar + 1) == "$" then
      pieces[#pieces + 1] = "$"
      at = dollar + 2
    else
      return nil
    end
  end
end


-- Makes a function that returns the replacement for a match.
local function replacer(regex, subject, replacement)
  if type(replacement) == "function" then
    return function(ends)
      return tostring((replacement(groups_of(regex, subject, ends))))
    end
  end
  local pieces = template_of(tostring(replacement))
  if not pieces then
    return nil, "failed to compile the replacement template"
  end
  return function(ends)
    local texts = {}
    for i = 1, #pieces do
      local piece = pieces[i]
      if type(piece) == "number" then
        local from = ends[2 * piece + 1]
        piece = from and sub(subject, from + 1, ends[2 * piece + 2]) or ""
      end
      texts[i] = piece
    end
    return concat(texts)
  end
end


local function replace(subject, pattern, replacement, options, all)
  local regex, err = compile(pattern, options)
  if not regex then
    return nil, nil, err
  end
  subject = tostring(subject)
  local replaced
  replaced, err = replacer(regex, subject, replacement)
  if not replaced then
    return nil, nil, err
  end

  local pieces, copied, offset, found = {}, 0, 0, 0
  repeat
    local ends
    ends, err = find_native(regex.handle, subject, offset)
    if err then
      return nil, nil, err
    elseif not ends then
      break
    end
    found = found + 1
    pieces[#pieces + 1] = sub(subject, copied + 1, ends[1])
    pieces[#pieces + 1] = replaced(ends)
    copied = ends[2]
    offset = ends[1] == ends[2] and ends[2] + 1 or ends[2]
  until not all or offset > #subject
  if found == 0 then
    return subject, 0
  end
  pieces[#pieces + 1] = sub(subject, copied + 1)
  return concat(pieces), found
end


function _M.sub(subject, pattern, replacement, options)
  local text, found, err = replace(subject, pattern, replacement, options, false)
  return text, found, err
end


function _M.gsub(subject, pattern, replacement, options)
  local text, found, err = replace(subject, pattern, replacement, options, true)
  return text, found, err
end


return _M
