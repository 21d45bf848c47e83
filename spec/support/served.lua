--- Describes cases that share one server. Starts and stops the server.
--
--     served.describe("error templates", function()
--       return stages.start { gateway = true }
--     end, function(server)
--       it("are read once", function()
--         assert.equal(404, server:run({ access = "response.error(404)" }).status)
--       end)
--     end)
--
-- The error log is empty before each case. With `checked`, a case also fails if a worker has ended,
-- or if the log has an alarming line.


local assert = require "luassert"
local busted = require "busted"


local _M = {}


--- Makes a proxy for a server that starts later.
local function promise()
  local server
  local stand_in = setmetatable({}, {
    __index = function(_, name)
      return server[name]
    end,
    __newindex = function(_, name, value)
      server[name] = value
    end,
  })
  return stand_in, function(started)
    server = started
  end
end


--- Describes cases that share one server.
-- @tparam string name
-- @tparam function start returns the server
-- @tparam function body `body(server)`, inside of a describe block
function _M.describe(name, start, body)
  busted.describe(name, function()
    local server, started = promise()

    busted.setup(function()
      started(start())
    end)

    busted.teardown(function()
      server:stop()
    end)

    busted.before_each(function()
      server:clear_log()
    end)

    body(server)
  end)
end


--- Like `describe`, but a case fails if a worker has ended, or if the log has an alarming line.
function _M.checked(name, start, body)
  _M.describe(name, start, function(server)
    local pids

    busted.setup(function()
      pids = server:worker_pids()
    end)

    busted.after_each(function()
      assert.same({}, server:alarms())
      assert.same(pids, server:worker_pids())
    end)

    body(server)
  end)
end


return _M
