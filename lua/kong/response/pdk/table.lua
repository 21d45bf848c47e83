--- `kong.table`: helpers for tables.

local found_new, new_table = pcall(require, "table.new")
local found_clear, clear_table = pcall(require, "table.clear")


local error = error
local fmt = string.format
local pairs = pairs
local type = type


local function check_number(position, value)
  if type(value) ~= "number" then
    error(fmt("bad argument #%d to 'new' (number expected, got %s)", position,
              value == nil and "no value" or type(value)), 3)
  end
end


--- Makes `kong.table`.
return function()
  local tables = {}


  function tables.new(narr, nrec)
    check_number(1, narr)
    check_number(2, nrec)
    return found_new and new_table(narr, nrec) or {}
  end


  function tables.clear(t)
    if found_clear then
      clear_table(t)
      return
    end
    for key in pairs(t) do
      t[key] = nil
    end
  end


  function tables.merge(t1, t2)
    local merged = {}
    for key, value in pairs(t1 or {}) do
      merged[key] = value
    end
    for key, value in pairs(t2 or {}) do
      merged[key] = value
    end
    return merged
  end


  return tables
end
