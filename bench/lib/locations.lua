--- The locations of a measured server.

local _M = {
  --- The phases with locations for the life cycle.
  PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" },
}


-- A handler in bench/worker: `requests.filter` is the function `filter` of requests.lua.
local function handlers(text)
  return (text:gsub("@([%w_]+)%.([%w_]+)", '{ require("bench.worker.%1").%2() }'))
end


local COMMON = handlers [[
# The id is there already, as where it is logged or sent upstream: to make one costs nginx 10 µs.
set $bench_request_id $request_id;

location = /cpu   { content_by_lua_block @init.cpu }
location = /mark  { content_by_lua_block @init.mark }
location = /spent { content_by_lua_block @loops.spent }
location = /count { content_by_lua_block @loops.count }
location = /seen  { content_by_lua_block @hangups.seen }

location = /fragment { content_by_lua_block @hangups.fragment }

location = /loop {
  content_by_lua_block { ngx.print("ok") }
  header_filter_by_lua_block @loops.header_filter
  body_filter_by_lua_block @loops.body_filter
}

location = /filter_empty {
  content_by_lua_block @requests.content
  header_filter_by_lua_block @requests.filter_empty
}
location = /filter {
  content_by_lua_block @requests.content
  header_filter_by_lua_block @requests.filter
}
location = /exit_empty { access_by_lua_block @requests.exit_empty }
location = /exit_string { access_by_lua_block @requests.exit_string }
location = /exit_small { access_by_lua_block @requests.exit_small }
location = /exit_large { access_by_lua_block @requests.exit_large }
location = /error      { access_by_lua_block @requests.error }
]]

local SMALL = [[
location = /NAME {
  content_by_lua_block @requests.SOURCE
  header_filter_by_lua_block @requests.body_head
  body_filter_by_lua_block HANDLER
}
]]

local BODY = [[
location = /NAME {
  proxy_pass http://127.0.0.1:PORT/SOURCE?$args;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffer_size 16k;
  proxy_buffers 32 16k;
  proxy_busy_buffers_size 32k;
  proxy_max_temp_file_size 0;
  header_filter_by_lua_block @requests.body_head
  body_filter_by_lua_block HANDLER
}
]]

-- Locations that make small bodies, and their body filters.
local SMALLS = {
  small_empty = "@requests.body_empty",
  small = "@requests.body",
  small_timed = "@loops.body",
}

-- The same with bodies in JSON.
local JSONS = {
  json_empty = "@requests.body_empty",
  body_json = "@requests.body_json",
}

-- Locations with bodies of the upstream, and their body filters.
local BODIES = {
  body_empty = "@requests.body_empty",
  body = "@requests.body",
  body_changed = "@requests.body_changed",
  body_timed = "@loops.body",
}

-- The same with an upstream that sends only half of each body.
local STALLED = {
  stalled_empty = "@hangups.body_empty",
  stalled = "@hangups.body",
}


-- Locations for one phase: with a handler in the life cycle, with a direct call, and without both.
local PHASE = [[
location = /NAME_WAY {
  content_by_lua_block { ngx.print("ok") }
  NAME_by_lua_block HANDLER
}
]]


local function add_phases(texts)
  for _, phase in ipairs(_M.PHASES) do
    for way, handler in pairs {
      empty = "{ }",
      lifecycle = "@lifecycle." .. phase,
      direct = "@lifecycle.direct_" .. phase,
    } do
      local values = { NAME = phase, WAY = way, HANDLER = handler }
      texts[#texts + 1] = handlers((PHASE:gsub("%u%u%u+", values)))
    end
  end
end


--- @tparam[opt] number upstream the port of the upstream
function _M.all(upstream)
  local texts = { COMMON }
  add_phases(texts)
  local function add(template, filters, source)
    for name, handler in pairs(filters) do
      local values = { NAME = name, PORT = upstream, HANDLER = handler, SOURCE = source }
      texts[#texts + 1] = handlers((template:gsub("%u%u%u+", values)))
    end
  end
  add(SMALL, SMALLS, "small_content")
  add(SMALL, JSONS, "json_content")
  if upstream then
    add(BODY, BODIES, "body")
    add(BODY, STALLED, "stalled")
  end
  return table.concat(texts)
end


return _M
