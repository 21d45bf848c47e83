--- Cases that share one server, from its start to its stop.
--
--     served.describe("error templates", function()
--       return stages.start { gateway = true }
--     end, function(server)
--       it("are read once", function()
--         assert.equal(404, server:run({ access = "response.error(404)" }).status)
--       end)
--     end)
--
-- The error log is empty before each case. `checked` also fails each case that leaves another
-- worker or an alarming line in the log.


local assert = require "luassert"
local busted = require "busted"


local _M = {}


--- Stands for a server that is not started yet.
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


--- Describes cases over one server.
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


--- Like `describe`, for cases that leave the workers alive and nothing alarming in the log.
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
