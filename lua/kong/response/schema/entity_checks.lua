--- Checks over several fields of a record: `entity_checks`.

local values = require "kong.response.schema.values"


local error = error
local fmt = string.format
local get = values.get
local gmatch = string.gmatch
local is_empty = values.is_empty
local next = next
local pairs = pairs
local quoted_list = values.quoted_list
local set = values.set
local tostring = tostring
local type = type


local NULL = values.NULL


local function present(record, paths)
  local found = {}
  for i = 1, #paths do
    if not is_empty(get(record, paths[i])) then
      found[#found + 1] = paths[i]
    end
  end
  return found
end


local function at_least_one_of(paths, record)
  if #present(record, paths) == 0 then
    return fmt("at least one of these fields must be non-empty: %s", quoted_list(paths))
  end
end


-- A check gets its argument, the record, `validate(field, value)` and the errors of the record's
-- fields. It returns a message if the record is not valid.
local CHECKS = {
  at_least_one_of = at_least_one_of,

  only_one_of = function(paths, record)
    if #present(record, paths) ~= 1 then
      return fmt("exactly one of these fields must be non-empty: %s", quoted_list(paths))
    end
  end,

  mutually_required = function(paths, record)
    local count = #present(record, paths)
    if count ~= 0 and count ~= #paths then
      return fmt("all or none of these fields must be set: %s", quoted_list(paths))
    end
  end,

  mutually_exclusive = function(paths, record)
    if #present(record, paths) > 1 then
      return fmt("only one or none of these fields must be set: %s", quoted_list(paths))
    end
  end,

  mutually_exclusive_sets = function(sets, record)
    local one, other = present(record, sets.set1), present(record, sets.set2)
    if #one > 0 and #other > 0 then
      return fmt("these sets are mutually exclusive: (%s), (%s)", quoted_list(one),
                 quoted_list(other))
    end
  end,

  distinct = function(paths, record)
    local seen = {}
    for i = 1, #paths do
      local value = get(record, paths[i])
      if not is_empty(value) then
        if seen[value] then
          return fmt("values of these fields must be distinct: %s", quoted_list(paths))
        end
        seen[value] = true
      end
    end
  end,

  conditional = function(check, record, validate, errors)
    if not validate(check.if_matches, get(record, check.if_field)) then
      return nil
    end
    local ok, err = validate(check.then_matches, get(record, check.then_field))
    if ok then
      return nil
    end
    set(errors, check.then_field, err)
    return check.then_err and fmt(check.then_err, check.if_field)
           or fmt("failed conditional validation given value of field '%s'", check.if_field)
  end,

  conditional_at_least_one_of = function(check, record, validate)
    local value = get(record, check.if_field)
    local paths, text
    if validate(check.if_matches, value) then
      paths, text = check.then_at_least_one_of, check.then_err
    elseif check.else_matches and validate(check.else_matches, value) then
      paths, text = check.else_then_at_least_one_of, check.else_then_err
    end
    local err = paths and at_least_one_of(paths, record)
    return err and text and fmt(text, quoted_list(paths)) or err
  end,

  custom_entity_check = function(check, record)
    local entity = {}
    for i = 1, #check.field_sources do
      local path = check.field_sources[i]
      local value = get(record, path)
      set(entity, path, value == nil and NULL or value)
    end
    local ok, err = check.fn(entity)
    if not ok then
      return err or fmt("failed entity check: custom_entity_check(%s)", values.dump(check.dumped))
    end
  end,
}

-- These checks do not run if one of their fields has an error.
local NEED_VALID_FIELDS = {
  custom_entity_check = true, mutually_required = true, mutually_exclusive = true,
  mutually_exclusive_sets = true,
}


--- Returns the paths of the fields that a check reads.
local function paths_of(name, argument)
  if name == "mutually_exclusive_sets" then
    local paths = {}
    for _, part in pairs { argument.set1, argument.set2 } do
      for i = 1, #part do
        paths[#paths + 1] = part[i]
      end
    end
    return paths
  elseif name == "conditional" then
    return { argument.if_field, argument.then_field }
  elseif name == "conditional_at_least_one_of" then
    return { argument.if_field }
  elseif name == "custom_entity_check" then
    return argument.field_sources
  end
  return argument
end


local function field_at(record, path)
  local field = record
  for name in gmatch(path, "[^.]+") do
    field = field and field.by_name and field.by_name[name]
  end
  return field
end


--- Returns a field whose own attributes are replaced with those of a match.
local function matching(record, path, match, place, read)
  local field = field_at(record, path)
  if not field then
    error(fmt("%s: entity_checks: there is no field '%s'", place, path), 0)
  end
  local merged = {}
  for name, value in pairs(field.source) do
    if name ~= "required" and name ~= "default" then
      merged[name] = value
    end
  end
  for name, value in pairs(match) do
    merged[name] = value
  end
  return read(merged, place .. "." .. path, false)
end


local _M = {}


--- Reads the checks of a record.
-- @tparam ?table given
-- @tparam table record the record as `definition.field` makes it, with `by_name`
-- @tparam string place the name of the record in errors
-- @tparam function read `definition.field`
-- @treturn table
-- @raise `<place>: entity_checks: …`
function _M.read(given, record, place, read)
  local checks = {}
  for i = 1, #(given or {}) do
    local name, argument = next(given[i])
    if not CHECKS[name] then
      error(fmt("%s: entity_checks: there is no check '%s'", place, tostring(name)), 0)
    elseif type(argument) ~= "table" then
      error(fmt("%s: entity_checks: %s must have a table", place, name), 0)
    end
    local check = argument
    if argument.if_field then
      check = {}
      for key, value in pairs(argument) do
        check[key] = value
      end
      check.if_matches = matching(record, check.if_field, check.if_match, place, read)
      check.then_matches = check.then_match
        and matching(record, check.then_field, check.then_match, place, read)
      check.else_matches = check.else_match
        and matching(record, check.if_field, check.else_match, place, read)
    elseif argument.fn then
      check = {
        fn = argument.fn, field_sources = argument.field_sources,
        run_with_invalid_fields = argument.run_with_invalid_fields,
        dumped = { field_sources = argument.field_sources },
      }
    end
    local paths = paths_of(name, argument)
    for j = 1, #paths do
      if not field_at(record, paths[j]) then
        error(fmt("%s: entity_checks: there is no field '%s'", place, paths[j]), 0)
      end
    end
    checks[i] = { name = name, check = check, paths = paths }
  end
  return checks
end


local function may_run(entry, record, errors)
  for i = 1, #entry.paths do
    local path = entry.paths[i]
    if values.is_reference(get(record, path)) then
      return false
    elseif NEED_VALID_FIELDS[entry.name] and not entry.check.run_with_invalid_fields
      and get(errors, path) ~= nil
    then
      return false
    end
  end
  return true
end


--- Runs the checks of a record. Adds their messages to `errors["@entity"]`.
-- @tparam table checks the result of `read`
-- @tparam table record
-- @tparam table errors the errors of the record's fields
-- @tparam function validate `validate(field, value)`
function _M.run(checks, record, errors, validate)
  for i = 1, #checks do
    local entry = checks[i]
    if may_run(entry, record, errors) then
      local message = CHECKS[entry.name](entry.check, record, validate, errors)
      if message then
        local entity = errors["@entity"] or {}
        entity[#entity + 1] = message
        errors["@entity"] = entity
      end
    end
  end
end


return _M
