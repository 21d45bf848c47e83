local faults = require "spec.support.faults"
local nginx = require "spec.support.nginx"


local MB = 1024 -- in kB, as /proc has it


for _, jit_mode in ipairs { "on", "off" } do
  faults.describe("a lack of memory", jit_mode, function(server)
    it("for JSON raises a string, and changes nothing", function()
      for _, call in ipairs { "exit(200, data)", "error(500, data)" } do
        for chances = 0, 1 do
          local r = server:get(faults.path("/", { access = [[
            -- more than the memory that is kept for the next body
            local long = ("x"):rep(100000)
            local data = {}
            for i = 1, 100 do data[i] = long end
            local f = function() response.]] .. call .. [[ end
            core.order_fault("allocation", ]] .. chances .. [[)
            local ok, err = pcall(f)
            core.order_fault(nil)
            ngx.header.x_error = type(err) .. " " .. tostring(err)
          ]] }))
          assert.equal(200, r.status)
          assert.equal("0123456789", r.body)
          assert.matches("^string plugin.lua:5: .*no memory for a body of %d+ bytes$",
                         r:header("X-Error"))
        end
      end
    end)

    it("for JSON is noticed after deep tables", function()
      local r = server:get(faults.path("/", { access = [[
        local numbers, arrays = {}, {}
        for i = 1, 650 do
          numbers, arrays = { [i + 0.1] = numbers }, { arrays }
        end
        local text = ("x"):rep(80)
        -- These lengths make the buffer grow before the deepest table, and not after it.
        for i, data in ipairs { numbers, { text, text, text, text, text, arrays } } do
          -- Each call that fails frees memory that was kept for the next body.
          for _ = 1, 4 do
            pcall(response.exit, 200, { print })
          end
          core.order_fault("allocation", 0)
          local ok, err = pcall(response.exit, 200, data)
          core.order_fault(nil)
          ngx.header["x_error_" .. i] = tostring(err)
        end
      ]] }))
      assert.equal("0123456789", r.body)
      for i = 1, 2 do
        assert.matches("no memory for a body of %d+ bytes$", r:header("X-Error-" .. i))
      end
    end)

    describe("for a body", function()
      --- The next allocation for the given chunk fails; then the body is read to its end.
      local function failing(chunk)
        return faults.path("/chunks", { body_filter = [[
          local ctx = ngx.ctx
          -- a flush passes as a chunk of nothing
          ctx.n = (ctx.n or 0) + (ngx.arg[1] ~= "" and 1 or 0)
          if not ctx.err and ctx.n == ]] .. chunk .. [[ then
            core.order_fault("allocation", 0)
          end
          local ok, body = pcall(function() return (response.get_raw_body()) end)
          if not ok then
            ngx.arg[1] = nil
            ctx.err = type(body) .. " " .. body
          elseif body then
            response.set_raw_body(ctx.err .. " / " .. #body .. " of " .. body:sub(1, 1))
          end
        ]] })
      end

      it("raises a string, and frees the buffer", function()
        for _ = 1, 3 do
          -- The buffer has room for four of these chunks.
          local r = server:get(failing(5))
          local mib = 1024 * 1024
          assert.equal("string plugin.lua:7: no memory for a body of " .. 5 * mib .. " bytes / "
            .. 3 * mib .. " of 6", r.body)
        end
      end)

      it("raises a string at the first chunk, too", function()
        local r = server:get(failing(1))
        assert.matches("no memory for a body of 1048576 bytes / 7340032 of 2", r.body, 1, true)
      end)

      it("breaks the response off if no plugin catches it, and leaks no memory", function()
        local function round()
          for _ = 1, 5 do
            local r = server:get(faults.path("/chunks", { body_filter = [[
              ngx.ctx.n = (ngx.ctx.n or 0) + (ngx.arg[1] ~= "" and 1 or 0)
              if ngx.ctx.n == 5 and ngx.arg[1] ~= "" then
                core.order_fault("allocation", 0)
              end
              response.get_raw_body()
            ]] }))
            assert.not_equal(0, r.exit)
            assert.equal("", r.body)
          end
          assert.matches("plugin.lua:5: no memory for a body of 5242880 bytes", server:log(), 1,
                         true)
        end
        round()
        local pid = server:worker_pids()[1]
        local before = server:rss(pid)
        round()
        round()
        local growth = server:rss(pid) - before
        -- Ten bodies of 4 MB were given up.
        assert.is_true(growth < 16 * MB, "grew by " .. growth / MB .. " MB")
      end)
    end)
  end)
end


describe("a limit of the system for a worker's memory", function()
  local ffi = require "ffi"
  ffi.cdef "int prlimit(int pid, int resource, const uint64_t *limits, uint64_t *before);"
  local RLIMIT_AS = 9

  it("causes an error string for the JSON of a table", function()
    local server = nginx.start { init = faults.INIT, locations = faults.LOCATIONS }
    local pids = server:worker_pids()
    local limit = server:rss(pids[1], "VmSize") * 1024 + 200e6
    assert.equal(0, ffi.C.prlimit(pids[1], RLIMIT_AS, ffi.new("uint64_t[2]", limit, limit), nil))
    for _ = 1, 3 do
      local r = server:get(faults.path("/", { access = [[
        local megabyte = ("x"):rep(1e6)
        local data = {}
        for i = 1, 300 do data[i] = megabyte end
        local ok, err = pcall(function() response.exit(200, data) end)
        ngx.header.x_error = type(err) .. " " .. tostring(err)
      ]] }))
      assert.matches("^string plugin.lua:4: body encoding failed while flushing response: "
                     .. "no memory for a body of %d+ bytes$", r:header("X-Error"))
      assert.equal("0123456789", r.body)
    end
    assert.same(pids, server:worker_pids())
    server:stop()
  end)
end)
