--- Finds the correct name for a misspelt one.

local abs = math.abs
local byte = string.byte
local gsub = string.gsub
local lower = string.lower
local min = math.min
local getmetatable = getmetatable
local pairs = pairs
local rawget = rawget
local type = type


-- In shorter names, one other letter usually makes another word, not a misspelling.
local MIN_LETTERS = 4


local function fold(name)
  return (gsub(lower(name), "[_-]", ""))
end


-- The number of letters to insert, delete, replace, or swap with their neighbour.
local function distance(one, other)
  local before_last, last = nil, {}
  for j = 0, #other do
    last[j] = j
  end
  for i = 1, #one do
    local current = { [0] = i }
    for j = 1, #other do
      local same = byte(one, i) == byte(other, j)
      current[j] = min(last[j] + 1, current[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before_last and j > 1 and byte(one, i) == byte(other, j - 1)
        and byte(one, i - 1) == byte(other, j)
      then
        current[j] = min(current[j], before_last[j - 2] + 1)
      end
    end
    before_last, last = last, current
  end
  return last[#other]
end


-- Names in other tools for fields of the test kit and functions of `kong`.
local ALIASES = {
  uri = "path", url = "path", query = "path", querystring = "path", args = "path",
  version = "http_version", request_id = "id", ip = "client", remote_addr = "client",
  vars = "variables",
  code = "status", status_code = "status", text = "body", content = "body", chunks = "body",
  service = "upstream", response = "upstream", conf = "config", req = "request",
  logs = "log", error = "err", warning = "warn", critical = "crit", emergency = "emerg",
  send = "exit", set_body = "set_raw_body", get_body = "get_raw_body",
  remove_header = "clear_header", delete_header = "clear_header",
  set_status_code = "set_status", get_status_code = "get_status",
  headers = "request", method = "request", path = "request", status = "upstream",
  body = "upstream", json = "body", consumer = "client", credential = "client",
  get_uri = "get_path", get_query_params = "get_query", get_query_param = "get_query_arg",
}


local _M = {}


--- Returns the known name that differs only in case, in dashes and underscores, or in one letter.
-- @tparam string name
-- @tparam table known the names are its keys
-- @treturn ?string
function _M.nearest(name, known)
  local folded = fold(name)
  local found
  for candidate in pairs(known) do
    local meant = fold(candidate)
    if meant == folded then
      return candidate
    elseif #meant >= MIN_LETTERS and abs(#meant - #folded) <= 1 and distance(folded, meant) == 1
      and (not found or candidate < found)
    then
      found = candidate
    end
  end
  return found
end


--- Finds a method that nothing calls, because its name is a misspelt phase. If the plugin has a
-- method for that phase, the other method is not a misspelling.
-- @tparam table plugin
-- @tparam table phases the names are its keys
-- @tparam[opt] table others the names of other methods that plugins have
-- @treturn ?string the name of the method
-- @treturn ?string the name of the phase
function _M.misspelt_phase(plugin, phases, others)
  local methods, depth = plugin, 0
  while type(methods) == "table" and depth < 10 do
    for name, method in pairs(methods) do
      local meant = type(name) == "string" and type(method) == "function" and not phases[name]
                    and not (others and others[name]) and _M.nearest(name, phases)
      if meant and plugin[meant] == nil then
        return name, meant
      end
    end
    local metatable = getmetatable(methods)
    methods = type(metatable) == "table" and rawget(metatable, "__index") or nil
    depth = depth + 1
  end
end


--- Returns the known name that `nearest` finds, or the known name for which other tools use this
-- name.
function _M.meant(name, known)
  local alias = ALIASES[name]
  return _M.nearest(name, known) or known[alias] and alias
end


--- Returns `: did you mean "<name>"?` or an empty string.
function _M.suggestion(name, known)
  local meant = _M.meant(name, known)
  return meant and ': did you mean "' .. meant .. '"?' or ""
end


return _M
