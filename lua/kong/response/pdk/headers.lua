--- Headers of a request or of an upstream's answer, read through variables of nginx.

local find = string.find
local gsub = string.gsub
local lower = string.lower
local rawget = rawget
local type = type


-- How many names one table of variables holds before it starts anew: names may come from clients.
local MAX_NAMES = 500


local _M = {}


--- Makes a function that gives the variable of a header: `variable("X-Foo")` is `http_x_foo`.
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


--- The first value of a header, if its variable might hold several values.
-- @tparam string value what the variable holds
-- @tparam table headers those of `ngx.req.get_headers` or `ngx.resp.get_headers`, all of them
function _M.first(value, headers, name)
  local listed = headers[name]
  if listed == nil then
    -- The variable also finds names with an underscore.
    listed = rawget(headers, (gsub(lower(name), "-", "_")))
  end
  if type(listed) == "table" then
    return listed[1]
  end
  return listed or value
end


--- Whether a variable might hold several values.
function _M.is_list(value)
  return find(value, ", ", 1, true) ~= nil
end


return _M
