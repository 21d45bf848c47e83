--- Reads headers of a request, or of an upstream's answer, through variables of nginx.

local find = string.find
local gsub = string.gsub
local lower = string.lower
local rawget = rawget
local type = type


-- The maximum number of cached names. Names may come from clients, so the cache needs a limit.
local MAX_NAMES = 500


local _M = {}


--- Makes a function that returns the variable of a header. With the prefix `http_`, it returns
-- `http_x_foo` for `X-Foo`.
function _M.variables(prefix)
  local names, count = {}, 0

  return function(header)
    local name = names[header]
    if name then
      return name
    end
    if count >= MAX_NAMES then
      names, count = {}, 0
    end
    name = prefix .. lower((gsub(header, "-", "_")))
    names[header] = name
    count = count + 1
    return name
  end
end


--- Returns the first value of a header whose variable may have several values.
-- @tparam string value the value of the variable
-- @tparam table headers all headers, from `ngx.req.get_headers` or `ngx.resp.get_headers`
-- @tparam string name the name of the header
-- @treturn string
function _M.first(value, headers, name)
  local listed = headers[name]
  if listed == nil then
    -- The variable also has the header if its name has an underscore.
    listed = rawget(headers, (gsub(lower(name), "-", "_")))
  end
  if type(listed) == "table" then
    return listed[1]
  end
  return listed or value
end


--- Whether the value of a variable may contain several values of a header.
function _M.is_list(value)
  return find(value, ", ", 1, true) ~= nil
end


return _M
