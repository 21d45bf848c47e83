--- The format of a line of `kong.log`.

local concat = table.concat
local gmatch = string.gmatch
local match = string.match
local sub = string.sub
local tostring = tostring


local _M = {}


--- The base name of a function's file.
function _M.file(caller)
  local source = caller.source or "?"
  local first = sub(source, 1, 1)
  if first == "@" or first == "=" then
    source = sub(source, 2)
  end
  return match(source, "([^/]+)$") or "?"
end


local FIELDS = {
  file_src = _M.file,
  line_src = function(caller)
    return tostring(caller.currentline)
  end,
  func_name = function(caller)
    return caller.name or "?"
  end,
  message = function(_, _, message)
    return message
  end,
  namespace = function(_, namespace)
    return namespace or "core"
  end,
}


--- The format of a log that has none of its own.
function _M.default(namespace)
  if not namespace then
    return "%file_src:%line_src %message"
  end
  return "%file_src:%line_src [%namespace] %message"
end


--- Makes the function that gives a line: `render(caller, namespace, message)`, with what
-- `debug.getinfo` says of the caller. Unknown modifiers stay as they are.
function _M.compile(format)
  local pieces = {}
  local stop = 1
  for start, name, after in gmatch(format, "()%%([%l_]+)()") do
    local field = FIELDS[name]
    if field then
      pieces[#pieces + 1] = sub(format, stop, start - 1)
      pieces[#pieces + 1] = field
      stop = after
    end
  end
  local tail = sub(format, stop)

  return function(caller, namespace, message)
    local texts = { "[kong] " }
    for i = 1, #pieces, 2 do
      texts[#texts + 1] = pieces[i]
      texts[#texts + 1] = pieces[i + 1](caller, namespace, message)
    end
    texts[#texts + 1] = tail
    return concat(texts)
  end
end


return _M
