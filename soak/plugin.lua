--- The plugin of the load test. The query has the kind of the case and a seed. `src/case.rs` knows
-- the right response of each.

local instance = require "kong.response.instance"


local response = instance.new {
  request_id = function()
    return ngx.var.arg_seed
  end,
}

local PHASES = { access = 0x20, header_filter = 0x200, body_filter = 0x400 }


local function text_of(seed, length)
  return (seed .. "|"):rep(math.ceil(length / (#seed + 1))):sub(1, length)
end


local access = {}


function access.string(seed, n)
  response.exit(201, text_of(seed, n), { ["X-Seed"] = seed, ["X-Two"] = { "1", seed } })
end


function access.table(seed, n)
  local body = { { seed = seed }, n, n / 4, true, { "a/b\"", "\1" }, {} }
  response.exit(409, body, { ["X-Seed"] = seed })
end


function access.empty(seed)
  response.exit(200, "", { ["X-Seed"] = seed })
end


function access.no_content(seed)
  response.exit(204, nil, { ["X-Seed"] = seed })
end


-- nginx answers with its own page.
function access.page()
  response.exit(404)
end


function access.error(seed)
  response.error(403, "<b> & \"" .. seed .. "\"/\r\n", { ["X-Seed"] = seed })
end


function access.message(seed)
  response.exit(403, "no: " .. seed)
end


function access.output(seed, n)
  response.exit(200, text_of(seed, n), { ["Content-Type"] = "application/grpc+proto" })
end


-- Delays the response, like a gateway.
function access.delayed(seed, n)
  local ctx = ngx.ctx
  ctx.delay_response = true
  coroutine.wrap(response.exit)(402, text_of(seed, n), { ["X-Seed"] = seed })
  ctx.delay_response = nil
  ctx.delayed_response_callback(ctx)
end


local header_filter, body_filter = {}, {}


function header_filter.headers(seed)
  assert(response.get_header("X-Up") == seed)
  assert(response.get_headers()["x-up"] == seed)
  response.clear_header("X-Removed")
  response.set_header("X-Up", "was " .. seed)
  response.add_header("X-Many", seed)
  response.add_header("X-Many", { "a\r\nX-Evil: 1", "" })
  response.set_headers { ["X-B"] = seed, x_c = { "1", "2" }, ["X-A"] = true }
  response.set_status(203)
end


function header_filter.replace()
  response.clear_header("Content-Length")
end


function body_filter.replace(seed)
  local body = response.get_raw_body()
  if body then
    response.set_raw_body(seed .. ":" .. body:reverse())
  end
end


header_filter.read = header_filter.replace


function body_filter.read()
  response.get_raw_body()
end


header_filter.discard = header_filter.replace


function body_filter.discard(seed, n)
  response.set_raw_body(text_of(seed, n))
end


function header_filter.exit(seed, n)
  response.exit(418, text_of(seed, n), { ["X-Seed"] = seed })
end


local function run(phase, methods)
  local args = ngx.req.get_uri_args()
  local method = methods[args.kind]
  if method then
    ngx.ctx.KONG_PHASE = PHASES[phase]
    return method(args.seed, tonumber(args.n))
  end
end


local _M = {}


function _M.access()
  run("access", access)
end


function _M.header_filter()
  if not ngx.ctx.KONG_EXITED then
    run("header_filter", header_filter)
  end
end


function _M.body_filter()
  local body = ngx.ctx.response_body
  if body then
    ngx.arg[2] = true -- first, because nginx loses an end that is set on an empty chunk
    ngx.arg[1] = body
  elseif not ngx.ctx.KONG_EXITED then
    run("body_filter", body_filter)
  end
end


--- Answers if the upstream has failed.
function _M.failed()
  response.error(ngx.status)
end


return _M
