-- What a callback of Rust cannot do: raise a string with the position of its caller.
local bind, id = ...
local error = error


-- The results of a native function: whether it worked, then what it returns or the message.
local function results(worked, ...)
  if not worked then
    error((...), 2)
  end
  return ...
end


local function raising(native)
  return function(...)
    return results(native(...))
  end
end

id = id and raising(id)


return raising, function(host, ngx, services)
  return bind(ngx, services, { id(host), host })
end
