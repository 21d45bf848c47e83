--- `kong.response.exit` for nginx's stream subsystem (layer 4).
-- It uses only `ngx.ctx`, `ngx.print`, `ngx.log` and `ngx.exit`.

local core = require "kong.response.core"
local json = require "kong.response.json"
local has_nkeys, nkeys = pcall(require, "table.nkeys")


local error = error
local pcall = pcall
local tostring = tostring


--- @tparam table options the checked options of `kong.response.instance`
-- @tparam table ngx
-- @treturn table `exit`
return function(options, ngx)
  local log = options.log
  local core_flush

  -- Call this only as a tail call, so that an error names the line of the function's caller.
  local function send(code, body, line)
    if line then
      if log then
        log(ngx.ERR, line)
      else
        ngx.log(ngx.ERR, line)
      end
    elseif body then
      -- `ngx.print` raises an error in some phases of a stream.
      local ok, sent, err = pcall(ngx.print, body)
      if not ok then
        error(sent, 2)
      elseif not sent then
        error("unable to send body to client: " .. tostring(err), 2)
      end
    end

    ngx.ctx.KONG_EXITED = true
    if not code then
      -- The response is delayed. Gateways never resume this coroutine.
      coroutine.yield()
      return
    end
    return ngx.exit(code)
  end

  local native = core.stream(ngx, {
    flush = function(ctx)
      return send(core_flush(ctx or ngx.ctx))
    end,
    tostring = tostring,
    empty_array = json.empty_array,
    array_mt = json.array_mt,
    empty_array_mt = json.empty_array_mt,
    nkeys = has_nkeys and nkeys or nil,
  })
  core_flush = native.flush
  local core_exit = native.exit

  return {
    --- Ends the connection.
    -- With 500, 502 or 503, the body is logged at error level as
    -- `unable to proxy stream connection, status: <code>, err: <body>`. With the other codes, the
    -- client gets it.
    -- @tparam number status 200, 400, 403, 500, 502 or 503, only for logs and statistics
    -- @tparam[opt] string|table body a table is encoded as JSON
    -- @param headers ignored
    -- @raise `code must be a number`,
    --   `unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted`,
    --   `body must be a nil, string or table`, `invalid body: <reason>`,
    --   `unable to send body to client: <reason>`, `API disabled in the current context`
    exit = function(status, body, headers)
      return send(core_exit(status, body, headers))
    end,
  }
end
