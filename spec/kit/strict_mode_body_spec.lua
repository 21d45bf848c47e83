local strict_mode = require "spec.support.strict_mode"


local mistakes = strict_mode.mistakes


describe("an old Content-Length after set_raw_body", function()
  local function replacing(body, header_filter)
    return {
      header_filter = header_filter,
      body_filter = function()
        if kong.response.get_raw_body() then
          kong.response.set_raw_body(body)
        end
      end,
    }
  end

  local upstream = { upstream = { body = "abc" } }

  it("is found if it was not removed", function()
    assert.same({
      "Content-Length: 3 was left in place, and set_raw_body made the body 6 bytes",
    }, (mistakes(replacing("abcdef"), upstream)))
  end)

  it("is found if the new body has the same length by chance", function()
    assert.same({
      "Content-Length: 3 was left in place, and set_raw_body made the body 3 bytes",
    }, (mistakes(replacing("def"), upstream)))
  end)

  it("is found if an exit has set it", function()
    local plugin = replacing("abcdef")
    plugin.access = function() return kong.response.exit(200, "abc") end
    assert.equal(1, #mistakes(plugin))
  end)

  it("is not reported if it was cleared or corrected", function()
    assert.same({}, (mistakes(replacing("abcdef", function()
      kong.response.clear_header("Content-Length")
    end), upstream)))
    assert.same({}, (mistakes(replacing("abcdef", function()
      kong.response.set_header("Content-Length", 6)
    end), upstream)))
  end)

  it("is not reported if set_raw_body was refused", function()
    assert.same({}, (mistakes { response = function() kong.response.set_raw_body("x") end }))
    local found = mistakes { body_filter = function() kong.response.set_raw_body({}) end }
    assert.equal(1, #found)
    assert.matches("^body_filter failed: .*: body must be a string$", found[1])
  end)

  it("is not reported if the body was not set", function()
    assert.same({}, (mistakes({ body_filter = function() kong.response.get_raw_body() end },
      upstream)))
  end)
end)


describe("a body with a status that allows none", function()
  for _, status in ipairs { 204, 304 } do
    local expected = { ("a body with status %d: nginx does not send it"):format(status) }

    it("is found for exit(" .. status .. ", body)", function()
      local found, result = mistakes {
        access = function() return kong.response.exit(status, "x") end,
      }
      assert.same(expected, found)
      assert.equal("", result.body)
    end)

    it("is found for exit(" .. status .. ", body) in header_filter", function()
      assert.same(expected, (mistakes {
        header_filter = function() return kong.response.exit(status, "x") end,
      }))
    end)

    it("is found for set_status(" .. status .. ") with the upstream's body", function()
      assert.same(expected, (mistakes({
        header_filter = function() kong.response.set_status(status) end,
      }, { upstream = { body = "x" } })))
    end)

    it("is found for set_raw_body after the upstream's " .. status, function()
      local found, result = mistakes({
        body_filter = function()
          if kong.response.get_raw_body() then
            kong.response.set_raw_body("x")
          end
        end,
      }, { upstream = { status = status } })
      assert.same(expected, found)
      assert.same({}, result.chunks)
    end)

    it("is found for ngx.arg after the upstream's " .. status, function()
      local found, result = mistakes({
        body_filter = function()
          if ngx.arg[2] then
            ngx.arg[1] = "x"
          end
        end,
      }, { upstream = { status = status } })
      assert.same({
        ("a body with status %d: the client reads it as the next response"):format(status),
      }, found)
      assert.same({ "x" }, result.chunks)
      assert.equal("", result.body)
    end)

    it("is not reported for a body filter after the upstream's " .. status, function()
      assert.same({}, (mistakes({
        body_filter = function()
          local body = kong.response.get_raw_body()
          if body then
            kong.response.set_raw_body(body)
          end
        end,
      }, { upstream = { status = status } })))
    end)

    it("is not reported for exit(" .. status .. ") without a body", function()
      assert.same({}, (mistakes { access = function() return kong.response.exit(status) end }))
      assert.same({}, (mistakes {
        access = function() return kong.response.exit(status, "") end,
      }))
      assert.same({}, (mistakes({}, { upstream = { status = status } })))
    end)
  end

  it("is not reported for a response to HEAD", function()
    assert.same({}, (mistakes({
      access = function() return kong.response.exit(200, "x") end,
    }, { request = { method = "HEAD" } })))
  end)
end)


describe("reading a body that is encoded", function()
  local function reading(encoding)
    return (mistakes({
      body_filter = function() kong.response.get_raw_body() end,
    }, { upstream = { headers = { ["Content-Encoding"] = encoding }, body = "x" } }))
  end

  it("is found", function()
    assert.same({ "get_raw_body read a body with Content-Encoding: gzip" }, reading("gzip"))
    assert.same({ "get_raw_body read a body with Content-Encoding: BR" }, reading("BR"))
  end)

  it("is found in a response handler", function()
    local function read(handlers)
      local plugin = {
        response = function()
          local body = kong.service.response.get_raw_body()
          if handlers.after then
            handlers.after(body)
          end
        end,
      }
      local filter = { header_filter = handlers.header_filter }
      return (mistakes({ { plugin = plugin }, { plugin = filter } }, {
        upstream = { headers = { ["Content-Encoding"] = "gzip" }, body = "x" },
      }))
    end
    local expected = {
      "kong.service.response.get_raw_body read a body with Content-Encoding: gzip",
    }
    assert.same(expected, read {})
    assert.same(expected, read {
      after = function(body) return kong.response.exit(200, body .. "!") end,
    })
    assert.same({ "Content-Encoding: gzip was left in place, and exit replaced the body" }, read {
      after = function() return kong.response.exit(200, "plain") end,
    })
    assert.same({}, read {
      after = function() return kong.response.exit(200, "\31\139 and so on") end,
    })
    -- who decodes it says so in the head
    assert.same({}, read {
      after = function(body)
        kong.response.clear_header("Content-Encoding")
        return kong.response.exit(200, body .. "!")
      end,
    })
    assert.same({}, read {
      header_filter = function() kong.response.clear_header("Content-Encoding") end,
    })
  end)

  it("is not reported for identity or without an encoding", function()
    assert.same({}, reading("identity"))
    assert.same({}, (mistakes({ body_filter = function() kong.response.get_raw_body() end })))
  end)
end)


describe("an end of the body that is set after an empty chunk", function()
  it("is found, because the client would wait forever", function()
    local found, result = mistakes({
      body_filter = function()
        ngx.arg[1] = nil
        ngx.arg[2] = true
      end,
    }, { upstream = { body = { "a", "b" } } })
    assert.same({
      "ngx.arg[2] was set after ngx.arg[1] was cleared: the end of the body is lost",
    }, found)
    assert.is_true(result.truncated)
  end)

  it("is found if the end is cleared", function()
    for _, gateway in ipairs { true, false } do
      local found, result = mistakes({
        body_filter = function()
          ngx.arg[2] = false
        end,
      }, { gateway = gateway, upstream = { body = { "a", "b" } } })
      assert.same({ "ngx.arg[2] was cleared: the end of the body is lost" }, found)
      assert.is_true(result.truncated)
    end
  end)

  it("is not reported if the end is set first", function()
    assert.same({}, (mistakes({
      body_filter = function()
        ngx.arg[2] = true
        ngx.arg[1] = nil
      end,
    }, { upstream = { body = { "a", "b" } } })))
  end)
end)


describe("replacing an encoded body without reading it", function()
  local TEXT = "Content-Encoding: %s was left in place, and set_raw_body replaced the body"

  local function replacing(encoding, handlers, body)
    return (mistakes({
      header_filter = function()
        kong.response.clear_header("Content-Length")
        if handlers.header_filter then
          handlers.header_filter()
        end
      end,
      body_filter = function()
        if handlers.body_filter then
          handlers.body_filter()
        end
        kong.response.set_raw_body(body or "plain")
      end,
    }, { upstream = { headers = { ["Content-Encoding"] = encoding }, body = "x" } }))
  end

  it("is found", function()
    assert.same({ TEXT:format "gzip" }, replacing("gzip", {}))
    assert.same({ TEXT:format "BR" }, replacing("BR", {}))
  end)

  it("is reported once if the body was read", function()
    local read = { body_filter = function() kong.response.get_raw_body() end }
    assert.same({ TEXT:format "gzip" }, replacing("gzip", read))
    assert.same({ TEXT:format "br" }, replacing("br", read))
  end)

  it("is not reported if the plugin encodes the body that it has read", function()
    local read = { body_filter = function() kong.response.get_raw_body() end }
    assert.same({}, replacing("gzip", read, "\31\139 and so on"))
    assert.same({}, replacing("deflate", read, "\120\156 and so on"))
    assert.same({}, replacing("br", read, "\11\2\128packed"))
  end)

  it("is reported for each plugin", function()
    local function reader(body)
      return { plugin = { body_filter = function()
        if kong.response.get_raw_body() and body then
          kong.response.set_raw_body(body)
        end
      end } }
    end
    local case = { upstream = {
      headers = { ["Content-Encoding"] = "gzip" }, body = { "\31\139", "packed" },
    } }
    assert.same({}, (mistakes({ reader "\31\139again" }, case)))
    assert.same({ TEXT:format "gzip" }, (mistakes({ reader "plain" }, case)))
    local read = { "get_raw_body read a body with Content-Encoding: gzip" }
    assert.same(read, (mistakes({ reader "\31\139packed" }, case)))
    assert.same(read, (mistakes({ reader "\31\139packed and more" }, case)))
    assert.same(read, (mistakes({ reader "\31\139again", reader() }, case)))
  end)

  it("is not reported if the headers are right", function()
    assert.same({}, replacing("identity", {}))
    assert.same({}, replacing("gzip", {}, "\31\139 and so on"))
    assert.same({}, replacing("gzip", {}, "x"))
    assert.same({}, replacing("gzip", {
      header_filter = function() kong.response.clear_header("Content-Encoding") end,
    }))
    assert.same({}, replacing("gzip", {
      header_filter = function() kong.response.set_header("Content-Encoding", "br") end,
    }))
    assert.same({}, replacing(nil, {
      header_filter = function() kong.response.set_header("Content-Encoding", "br") end,
    }))
  end)

  it("is not reported if the new body is invalid", function()
    local found = mistakes({
      body_filter = function() pcall(kong.response.set_raw_body, 5) end,
    }, { upstream = { headers = { ["Content-Encoding"] = "gzip" }, body = "x" } })
    for _, text in ipairs(found) do
      assert.is_nil(text:find("Content-Encoding", 1, true))
    end
  end)
end)
