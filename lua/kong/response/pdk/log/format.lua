--- The format of a line of `kong.log`.

local concat = table.concat
local gmatch = string.gmatch
local match = string.match
local sub = string.sub
local tostring = tostring


local _M = {
  --- The name of the log of code outside of plugins.
  CORE = "core",
  --- The format after `set_format(nil)`, and of the logs of plugins.
  DEFAULT = "%file_src:%line_src [%namespace] %message",
}


--- Returns the base name of a function's file.
-- @tparam table caller a result of `debug.getinfo`
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
    return namespace or _M.CORE
  end,
}


--- Returns the first format of a log.
function _M.first(namespace)
  return namespace and _M.DEFAULT or "%file_src:%line_src %message"
end


--- Makes a function that returns a line: `render(caller, namespace, message)`. `caller` is a result
-- of `debug.getinfo`. Unknown fields of the format stay unchanged.
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
