local testing = require "kong.response.testing"


local TAGS = { '"7"', 'W/"7"', '"6", "7"' }


describe("not-modified", function()
  local run = testing.with {
    plugin = "examples.not-modified.plugin",
    config = { version = "7", document = { price = 2.5 } },
  }

  it("sends the document with its ETag", function()
    local result = run()
    assert.response(result).has.status(200)
    assert.response(result).has.header("ETag", '"7"')
    assert.response(result).has.jsonbody { price = 2.5 }
    assert.is_false(result.upstream_called)
  end)

  it("answers 304 to a client that has this version", function()
    for _, tag in ipairs(TAGS) do
      local result = run { request = { headers = { ["If-None-Match"] = tag } } }
      assert.response(result).has.status(304)
      assert.response(result).has.header("ETag", '"7"')
      assert.response(result).has.header("Cache-Control", "no-cache")
      assert.response(result).has_no.header("Content-Length")
      assert.response(result).has.body("")
    end
  end)

  it("sends the document to a client that has another version", function()
    local result = run { request = { headers = { ["If-None-Match"] = '"6"' } } }
    assert.response(result).has.status(200)
    assert.response(result).has.jsonbody { price = 2.5 }
  end)

  it("refuses other methods, for which a 304 would be wrong", function()
    local request = { method = "POST", headers = { ["If-None-Match"] = '"7"' } }
    local result = run { request = request }
    assert.response(result).has.status(405)
    assert.response(result).has.header("Allow", "GET, HEAD")
    request.method = "HEAD"
    assert.response(run { request = request }).has.status(304)
  end)

  it("does more than a comparison by hand", function()
    local by_hand = {
      access = function()
        local etag = '"7"'
        if ngx.req.get_headers()["if-none-match"] == etag then
          return kong.response.exit(304)
        end
        return kong.response.exit(200, "espresso")
      end,
    }
    local found = {}
    for i, tag in ipairs(TAGS) do
      local request = { headers = { ["If-None-Match"] = tag } }
      found[i] = testing.run({ plugin = by_hand, request = request }).status
    end
    assert.same({ 304, 200, 200 }, found)
  end)
end)
