--- Calls and expected errors for the specs of the whole module.

local _M = {}


--- The names of the functions, sorted.
_M.FUNCTIONS = {
  "add_header", "clear_header", "error", "exit", "get_header", "get_headers", "get_raw_body",
  "get_source", "get_status", "set_header", "set_headers", "set_raw_body", "set_status",
}

_M.READERS = "response, header_filter, body_filter, log, error, admin_api"
_M.WRITERS = "rewrite, access, balancer, response, header_filter, error, admin_api"

local PHASES = {
  get_status = _M.READERS, get_header = _M.READERS, get_headers = _M.READERS,
  get_source = _M.READERS, get_raw_body = "body_filter", set_raw_body = "body_filter",
}

_M.NO_REQUEST = "API disabled in the current context"

--- Code that calls every function with correct arguments. `results` has the errors by name.
_M.ALL_CALLS = [[
  local calls = {
    get_status = {}, get_header = { "x" }, get_headers = {}, get_source = {}, set_status = { 200 },
    set_header = { "x", "y" }, add_header = { "x", "y" }, clear_header = { "x" },
    set_headers = { { x = "y" } }, exit = { 200, "body" }, error = { 500, "message" },
    get_raw_body = {}, set_raw_body = { "body" },
  }
  local results = {}
  for name, arguments in pairs(calls) do
    results[name] = fails(response[name], unpack(arguments))
  end
]]


--- Returns the names of the phases in which a function works.
function _M.phases_of(name)
  return PHASES[name] or _M.WRITERS
end


--- Returns the error of the phase check for each function: in a phase with this name, or without a
-- phase.
function _M.refused_in(phase)
  local expected = {}
  for _, name in ipairs(_M.FUNCTIONS) do
    local phases = _M.phases_of(name)
    if not phase then
      expected[name] = "no phase in ngx.ctx.KONG_PHASE, (need one of " .. phases .. ")"
    elseif not (", " .. phases .. ", "):find(", " .. phase .. ", ", 1, true) then
      expected[name] = "function cannot be called in " .. phase .. " phase (only in: " .. phases
        .. ")"
    end
  end
  return expected
end


--- Returns the same message for each function, except for the exceptions.
function _M.all(message, exceptions)
  local expected = {}
  for _, name in ipairs(_M.FUNCTIONS) do
    expected[name] = message
  end
  for name, exception in pairs(exceptions or {}) do
    expected[name] = exception
  end
  return expected
end


return _M
