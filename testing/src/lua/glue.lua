-- What a callback of Rust cannot do: raise a string with the position of its caller.
local bind, id = ...
local error = error


-- The results of a native function: whether it worked, then at most two values, or the message. Without
-- `...` LuaJIT compiles this as a part of its callers.
local function results(worked, first, second)
  if not worked then
    error(first, 2)
  end
  return first, second
end


local function raising(native)
  return function(first, second, third)
    return results(native(first, second, third))
  end
end

id = id and raising(id)


return raising, function(host, ngx, services)
  return bind(ngx, services, { id(host), host })
end
