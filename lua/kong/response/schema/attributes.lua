--- The validators of fields, such as `one_of` and `len_min`, in the order in which they run.

local values = require "kong.response.schema.values"


local concat = table.concat
local find = string.find
local fmt = string.format
local length = values.length
local list = values.list
local pcall = pcall
local quoted_list = values.quoted_list
local rawget = rawget
local show = values.show
local sub = string.sub
local type = type


local UUID = "^" .. ("%x"):rep(8) .. ("%-%x%x%x%x"):rep(3) .. "%-" .. ("%x"):rep(12) .. "$"


local function contains(items, wanted)
  for i = 1, #items do
    if items[i] == wanted then
      return true
    end
  end
  return false
end


local function is_regex(value)
  local ngx = rawget(_G, "ngx")
  local re = type(ngx) == "table" and ngx.re
  if not re then
    return true
  end
  local ok, _, _, err = pcall(re.find, "", value)
  return ok and not err
end


-- A validator gets the argument of the attribute and the value. It returns whether the value is
-- valid, and the message for a value that is not valid.
local VALIDATORS = {
  eq = function(wanted, value)
    return value == wanted, fmt("value must be %s", show(wanted))
  end,

  ne = function(unwanted, value)
    return value ~= unwanted, fmt("value must not be %s", show(unwanted))
  end,

  not_one_of = function(unwanted, value)
    return not contains(unwanted, value), "must not be one of: " .. list(unwanted)
  end,

  one_of = function(wanted, value)
    return contains(wanted, value), "expected one of: " .. list(wanted)
  end,

  gt = function(limit, value)
    return value > limit, fmt("value must be greater than %s", show(limit))
  end,

  timestamp = function(_, value)
    return type(value) == "number" and value > 0, "expected a valid timestamp"
  end,

  uuid = function(_, value)
    return find(value, UUID) ~= nil, "expected a valid UUID"
  end,

  is_regex = function(_, value)
    return is_regex(value), fmt("not a valid regex: %s", value)
  end,

  between = function(range, value)
    return value >= range[1] and value <= range[2],
           fmt("value should be between %s and %s", show(range[1]), show(range[2]))
  end,

  len_eq = function(wanted, value)
    return length(value) == wanted, fmt("length must be %d", wanted)
  end,

  len_min = function(wanted, value)
    return length(value) >= wanted, fmt("length must be at least %d", wanted)
  end,

  len_max = function(wanted, value)
    return length(value) <= wanted, fmt("length must be at most %d", wanted)
  end,

  starts_with = function(prefix, value)
    return sub(value, 1, #prefix) == prefix, fmt("should start with: %s", prefix)
  end,

  not_match = function(pattern, value)
    return not find(value, pattern), fmt("invalid value: %s", value)
  end,

  match_none = function(entries, value)
    for i = 1, #entries do
      if find(value, entries[i].pattern) then
        return false, entries[i].err
      end
    end
    return true
  end,

  match = function(pattern, value)
    return find(value, pattern) ~= nil, fmt("invalid value: %s", value)
  end,

  match_all = function(entries, value)
    for i = 1, #entries do
      if not find(value, entries[i].pattern) then
        return false, entries[i].err
      end
    end
    return true
  end,

  match_any = function(any, value)
    for i = 1, #any.patterns do
      if find(value, any.patterns[i]) then
        return true
      end
    end
    return false, any.err
  end,

  contains = function(wanted, value)
    return contains(value, wanted), fmt("expected to contain: %s", show(wanted))
  end,

  custom_validator = function(validate, value)
    local ok, err = validate(value)
    return ok, err or fmt("failed validating: %s",
                          type(value) == "table" and values.dump(value) or show(value))
  end,

  mutually_exclusive_subsets = function(subsets, value)
    local found = {}
    for i = 1, #subsets do
      local present = {}
      for j = 1, #subsets[i] do
        if contains(value, subsets[i][j]) then
          present[#present + 1] = subsets[i][j]
        end
      end
      if #present > 0 then
        found[#found + 1] = "(" .. quoted_list(present) .. ")"
      end
    end
    return #found < 2, "these sets are mutually exclusive: " .. concat(found, ", ")
  end,
}

local ORDER = {
  "eq", "ne", "not_one_of", "one_of", "gt", "timestamp", "uuid", "is_regex", "between", "len_eq",
  "len_min", "len_max", "starts_with", "not_match", "match_none", "match", "match_all", "match_any",
  "contains", "custom_validator", "mutually_exclusive_subsets",
}


local _M = {}


--- Returns the validators of a field, in order: `{ { argument =, validate = }, … }`.
function _M.of(field)
  local found = {}
  for i = 1, #ORDER do
    if field[ORDER[i]] ~= nil then
      found[#found + 1] = { argument = field[ORDER[i]], validate = VALIDATORS[ORDER[i]] }
    end
  end
  return found
end


return _M
