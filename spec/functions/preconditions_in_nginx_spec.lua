-- Preconditions of the request (If-Match and others) for the responses of a plugin. nginx checks
-- them in a header filter of its own. If that answers 412 through an `error_page`, it clears the
-- context of lua-nginx-module, and with version 0.10.23 the worker crashes.

local live = require "spec.support.live"


local MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
local ANCIENT, OLD = "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 01 Jan 1960 00:00:00 GMT"
local EARLIER, LATER = "Tue, 20 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"

local ETAG = [[{ ETag = '"v"' }]]
local DATE = ("{ ['Last-Modified'] = %q }"):format(MODIFIED)
local BOTH = ([[{ ETag = '"v"', ['Last-Modified'] = %q }]]):format(MODIFIED)

-- The headers of `exit`, and the status for each header of the request.
local ANSWERS = {
  ["an ETag"] = { ETAG, {
    ['If-Match: "v"'] = 200,
    ['If-Match: "other", "v"'] = 200,
    ["If-Match: *"] = 200,
    ['If-Match: "other"'] = 412,
    ['If-Match: "other", "another"'] = 412,
    ['If-Unmodified-Since: ' .. LATER] = 412,
    ['If-None-Match: "v"'] = 304,
    ['If-None-Match: W/"v"'] = 304,
    ["If-None-Match: *"] = 304,
    ['If-None-Match: "other"'] = 200,
    ["If-Modified-Since: " .. MODIFIED] = 200,
    ["Range: bytes=0-0"] = 200,
    ["Range: bytes=99-"] = 200,
  } },
  ["a Last-Modified"] = { DATE, {
    ['If-Match: "v"'] = 412,
    ["If-Unmodified-Since: " .. EARLIER] = 412,
    ["If-Unmodified-Since: " .. MODIFIED] = 200,
    ["If-Unmodified-Since: " .. LATER] = 200,
    ["If-Modified-Since: " .. MODIFIED] = 304,
    ["If-Modified-Since: " .. EARLIER] = 200,
    ['If-None-Match: "v"'] = 200,
    ["Range: bytes=0-0"] = 200,
  } },
  ["both"] = { BOTH, {
    ['If-Match: "other"'] = 412,
    ['If-Match: "v"'] = 200,
    ["If-Unmodified-Since: " .. EARLIER] = 412,
    ["If-Unmodified-Since: " .. MODIFIED] = 200,
    ['If-None-Match: "v"'] = 304,
    ["If-Modified-Since: " .. MODIFIED] = 304,
  } },
  ["neither"] = { "nil", {
    ['If-Match: "v"'] = 412,
    ["If-Match: *"] = 200,
    ["If-Unmodified-Since: " .. LATER] = 412,
    ['If-None-Match: "v"'] = 200,
    ["If-None-Match: *"] = 304,
    ["If-Modified-Since: " .. MODIFIED] = 200,
    ["Range: bytes=0-0"] = 200,
  } },
}

-- The calls of `exit`: the phase of nginx, and the code around the call.
local PLACES = {
  ["rewrite"] = { "rewrite", "%s" },
  ["access"] = { "access", "%s" },
  ["content"] = { "content", "%s" },
  ["access, delayed"] = { "access", [[
    ngx.ctx.delay_response = true
    coroutine.wrap(function() %s end)()
    ngx.ctx.delayed_response_callback(ngx.ctx)
  ]] },
}

local OTHER_FUNCTIONS = {
  "add_header('X-B', '1')", "clear_header('X-C')", "error('x')", "get_header('X-B')",
  "get_headers()", "get_raw_body()", "get_source()", "get_status()", "set_header('X-B', '1')",
  "set_headers({ ['X-B'] = '1' })", "set_raw_body('x')", "set_status(200)",
}

-- No page, a page by Lua, and nginx's own text.
local PAGES = {
  ["without an error_page"] = "",
  ["with an error_page by Lua"] = [[
    error_page 412 304 416 /of_error;
    location = /of_error {
      internal;
      content_by_lua_block { ngx.print("the page") }
    }
  ]],
  ["with an error_page of nginx"] = [[
    error_page 412 304 416 /of_error;
    location = /of_error {
      internal;
      return 200 "the page";
    }
  ]],
}


for what, locations in pairs(PAGES) do
  live.each("a precondition, " .. what .. ",", { locations = locations }, function(server)
    after_each(function()
      assert.not_matches("exited on signal", server:log(), 1, true)
    end)

    local function check_answer(status, body, r)
      assert.equal(status, r.status)
      if status == 412 then
        assert.not_equal(body, r.body)
      else
        assert.equal(status == 304 and "" or body, r.body)
      end
    end

    -- Checks the response, and that the connection works afterwards.
    local function check(case, status, body)
      check_answer(status, body, server:exchange(case, live.CLIENTS["HTTP/1.1"]))
    end

    local function check_others(case, status, body)
      assert.equal(status, server:exchange(case, live.CLIENTS["HTTP/1.1, HEAD"]).status)
      local request = server:prepared(case)
      request.http2 = true
      local r = server:request(request)
      assert.equal(0, r.exit, r.error)
      check_answer(status, body, r)
    end

    for where, place in pairs(PLACES) do
      local stage = place[1]

      for validators, answer in pairs(ANSWERS) do
        for header, status in pairs(answer[2]) do
          it(("gets %d for %s and exit with %s in %s"):format(status, header, validators, where),
            function()
              local case = {
                headers = { header },
                [stage] = place[2]:format("response.exit(200, 'x', " .. answer[1] .. ")"),
              }
              check(case, status, "x")
              if status ~= 200 then
                check_others(case, status, "x")
              end
            end)
        end
      end

      it("is checked against headers that a plugin set before exit, in " .. where, function()
        check({
          headers = { 'If-Match: "other"' },
          [stage] = [[response.set_header("ETag", '"v"') ]]
            .. place[2]:format("response.exit(200, 'x')"),
        }, 412, "x")
      end)

      it("is checked against a date before 1970 that a plugin set, in " .. where, function()
        for since, status in pairs { [EARLIER] = 200, yesterday = 200, [ANCIENT] = 412 } do
          check({
            headers = { "If-Unmodified-Since: " .. since },
            [stage] = ("response.set_header('Last-Modified', %q) "):format(OLD)
              .. place[2]:format("response.exit(200, 'x')"),
          }, status, "x")
        end
      end)

      it("is checked for a table, an empty string and no body in " .. where, function()
        for body, sent in pairs { ["{}"] = "{}", ["''"] = "", ["nil"] = "" } do
          for header, status in pairs { ['If-Match: "other"'] = 412, ['If-Match: "v"'] = 200 } do
            check({
              headers = { header },
              [stage] = place[2]:format("response.exit(200, " .. body .. ", " .. ETAG .. ")"),
            }, status, sent)
          end
        end
      end)

      it("is not checked for another status in " .. where, function()
        for _, status in ipairs { 201, 403, 500 } do
          check({
            headers = { 'If-Match: "other"', "If-Unmodified-Since: " .. EARLIER },
            [stage] = place[2]:format(("response.exit(%d, 'x', %s)"):format(status, BOTH)),
          }, status, "x")
        end
      end)

      for _, call in ipairs(place[2] == "%s" and OTHER_FUNCTIONS or {}) do
        it("is checked after " .. call .. " in " .. where, function()
          for header, status in pairs {
            ['If-Match: "other"'] = 412, ["If-Unmodified-Since: " .. EARLIER] = 412,
            ['If-None-Match: "v"'] = 304, ["Range: bytes=0-0"] = 200,
          } do
            check({
              headers = { header },
              [stage] = "pcall(function() response." .. call .. " end) "
                .. place[2]:format("response.exit(200, 'x', " .. BOTH .. ")"),
            }, status, "x")
          end
        end)
      end

      it("is not checked for error in " .. where, function()
        for _, header in ipairs {
          'If-Match: "other"', "If-Unmodified-Since: " .. EARLIER, 'If-None-Match: "v"',
          "If-Modified-Since: " .. MODIFIED, "Range: bytes=0-0",
        } do
          for _, status in ipairs { 404, 412, 416 } do
            local code = ([[response.error(%d, "no", %s)]]):format(status, BOTH)
            local r = server:exchange({ headers = { header }, [stage] = place[2]:format(code) },
              live.CLIENTS["HTTP/1.1"])
            assert.equal(status, r.status, header)
            assert.matches('"message":"no"', r.body, 1, true)
          end
        end
      end)
    end
  end)
end
