--- Substitutes for nginx's stream subsystem, without nginx: a global `ngx` that records the sent
-- bytes, the log, and the end of the connection.
--
--     local host = stream_host.run(function(response)
--       response.exit(200, "hello")
--     end)
--     assert.same({ "hello" }, host.sent)
--     assert.equal(200, host.code)

local FINISHED = {}


local _M = {}


--- Makes an `ngx` like that of stream-lua-nginx-module. `host` gets `sent`, `logged` and `code`.
function _M.ngx(host)
  host.sent, host.logged, host.ctx = {}, {}, host.ctx or {}

  local fields = {
    config = { subsystem = "stream" },
    ERR = 4,
    WARN = 5,

    print = function(body)
      if host.print_raises then
        error(host.print_raises, 2)
      elseif host.print_fails then
        return nil, host.print_fails
      end
      host.sent[#host.sent + 1] = body
      return 1
    end,

    log = function(level, ...)
      host.logged[#host.logged + 1] = { level, table.concat { ... } }
    end,

    exit = function(code)
      host.code = code
      -- It does not return, because the session ends.
      error(FINISHED)
    end,
  }

  return setmetatable({}, {
    __index = function(_, name)
      if name == "ctx" then
        if host.no_session then
          error("no session found", 2)
        end
        return host.ctx
      end
      local field = fields[name]
      if field == nil then
        error("the stream subsystem documents no ngx." .. tostring(name), 2)
      end
      return field
    end,

    __newindex = function(_, name)
      error("ngx." .. tostring(name) .. " cannot be set", 2)
    end,
  })
end


--- Calls `use(response, instance)` with the `ngx` of a stream. `instance` is the module
-- `kong.response.instance`, loaded again, and `response` is the result of its `new(options)`.
-- Returns the records of the host; `err` is the error of `use`.
function _M.run(use, host, options)
  host = host or {}
  local before, names = rawget(_G, "ngx"), {}
  for name in pairs(package.loaded) do
    if name:find("^kong%.response") or name:find("^kong%.pdk%.response") then
      names[name], package.loaded[name] = package.loaded[name], nil
    end
  end

  rawset(_G, "ngx", _M.ngx(host))
  local ok, err = pcall(function()
    local instance = require "kong.response.instance"
    return use(instance.new(options), instance)
  end)
  rawset(_G, "ngx", before)
  for name, module in pairs(names) do
    package.loaded[name] = module
  end

  if not ok and err ~= FINISHED then
    host.err = err
  end
  return host
end


return _M
