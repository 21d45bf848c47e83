local pdk = require "spec.support.pdk"


local NOT_IN_MEMORY = "request body did not fit into client body buffer, consider raising "
  .. "'client_body_buffer_size'"


pdk.each("the body of a request", {}, function(server)
  local function seen(case)
    case.method = case.method or "POST"
    return server:run(case).seen.access
  end

  describe("get_raw_body()", function()
    it("returns the body", function()
      for _, body in ipairs { "a=b", "\0\255", ("x"):rep(8000) } do
        for _, version in ipairs { "1.0", "1.1", "2" } do
          assert.same({ body }, seen {
            body = body, access = "note(kong.request.get_raw_body())",
            http2 = version == "2" or nil, http_version = version ~= "2" and version or nil,
          })
        end
      end
      assert.same({ "" }, seen { access = "note(kong.request.get_raw_body())" })
      assert.same({ "" }, seen { method = "GET", access = "note(kong.request.get_raw_body())" })
    end)

    it("reads a body in a file up to a limit", function()
      local found = seen {
        body = ("x"):rep(20000),
        access = [[
          note(kong.request.get_raw_body())
          for _, limit in ipairs { false, -1, 19999 } do
            note(kong.request.get_raw_body(limit))
          end
          for _, limit in ipairs { 0, 20000, 1e6 } do
            note(#kong.request.get_raw_body(limit))
          end
        ]],
      }
      assert.same({
        nil, NOT_IN_MEMORY, nil, NOT_IN_MEMORY, nil, NOT_IN_MEMORY,
        nil, "request body file too big: 20000 > 19999", 20000, 20000, 20000,
      }, found)
    end)

    it("returns an error if the file cannot be read", function()
      local found = seen {
        body = ("x"):rep(20000),
        access = [[
          ngx.req.read_body()
          os.remove(ngx.req.get_body_file())
          local _, err = kong.request.get_raw_body(0)
          note((err:gsub("'.-'", "<file>", 1)))
        ]],
        port = "content_port",
      }
      assert.matches("^failed to open cached request body <file>: ", found[1])
    end)

    it("returns the body that a plugin has set", function()
      assert.same({ "old", "new" }, seen {
        body = "old",
        access = [[
          note(kong.request.get_raw_body())
          kong.service.request.set_raw_body("new")
          note(kong.request.get_raw_body())
        ]],
      })
    end)
  end)

  describe("get_body()", function()
    local CODE = "note(kong.request.get_body())"

    local function body(content_type, text, code)
      return seen { body = text, headers = { "Content-Type: " .. content_type },
                    access = code or CODE }
    end

    it("reads forms", function()
      local FORM = "application/x-www-form-urlencoded"
      assert.same({ { a = { "1", "2" }, b = true, ["c d"] = "e f" }, nil, FORM },
        body(FORM, "a=1&b&a=2&c+d=e%20f"))
      assert.same({ { a = "1" }, nil, FORM },
        body("Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=1"))
      assert.same({ {}, nil, FORM }, body(FORM, ""))
      assert.same({ nil, "request body in temp file not supported", FORM },
        body(FORM, "a=" .. ("x"):rep(20000)))
    end)

    it("raises an error for an invalid limit", function()
      assert.same({
        "max_args must be a number", "max_args must be >= 1", "max_args must be <= 1000",
        { a = "1" },
      }, body("application/x-www-form-urlencoded", "a=1&b=2", [[
        local get_body = kong.request.get_body
        note(fails(get_body, nil, "x"), fails(get_body, nil, 0), fails(get_body, nil, 1001))
        note((get_body(nil, 1)))
      ]]))
    end)

    it("reads JSON", function()
      local JSON = "application/json"
      assert.same({ { a = { 1, "x", true }, b = { c = 1.5 } }, nil, JSON },
        body(JSON, '{"a":[1,"x",true],"b":{"c":1.5}}'))
      assert.same({ { 1, 2 }, nil, JSON }, body("application/json; charset=utf-8", "[1,2]"))
      assert.same({ true, true, true }, body(JSON, '{"a":null,"b":[],"c":{}}', [[
        local json = require "kong.response.json"
        local value = kong.request.get_body()
        note(value.a == json.null, getmetatable(value.b) == json.array_mt,
            getmetatable(value.c) == nil)
      ]]))
      for _, text in ipairs { "", "1", "null", '"x"', "true", "{", "[1,]", "{} x" } do
        assert.same({ nil, "invalid json body", JSON }, body(JSON, text))
      end
      assert.same({ nil, NOT_IN_MEMORY, JSON }, body(JSON, '"' .. ("x"):rep(20000) .. '"'))
      assert.same({ { ("x"):rep(20000) }, nil, JSON },
        body(JSON, '["' .. ("x"):rep(20000) .. '"]', "note(kong.request.get_body(nil, nil, 0))"))
    end)

    it("reads multipart", function()
      local text = table.concat({
        "--b", 'Content-Disposition: form-data; name="a"', "", "1",
        "--b", 'content-disposition: form-data; NAME="a"', "", "two\r\nlines",
        "--b", 'Content-Disposition: form-data; name="file"; filename="x.bin"',
        "Content-Type: application/octet-stream", "", "\0--b\255",
        "--b", "Content-Disposition: form-data; name=plain", "", "",
        "--b", "X-Other: 1", "", "nameless",
        "--b--", "",
      }, "\r\n")
      assert.same({
        { a = { "1", "two\r\nlines" }, file = "\0--b\255", plain = "" }, nil, "multipart/form-data",
      }, body("multipart/form-data; boundary=b", text))
      assert.same({ { a = "1" }, nil, "multipart/form-data" }, body(
        'multipart/form-data; charset=x; boundary="b c"',
        '--b c\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b c--\r\n'))
      for content_type, junk in pairs {
        ["multipart/form-data"] = text,
        ["multipart/form-data; boundary="] = text,
        ["multipart/form-data; boundary=other"] = text,
        ["multipart/form-data; boundary=b"] = "junk",
        ["multipart/form-data; boundary=c"] = "--c\r\n--c\r\n--c",
      } do
        assert.same({ {}, nil, "multipart/form-data" }, body(content_type, junk))
      end
    end)

    it("reads many parts of multipart, with or without headers", function()
      local part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
      local content_type = "multipart/form-data; boundary=b"
      assert.same({ 100 }, body(content_type, part:rep(100) .. "--b--",
        "note(#kong.request.get_body().a)"))
      -- Reading the rest of the body for each part would take longer than clients wait.
      assert.same({ {} }, body(content_type, ("--b\r\nx\r\n"):rep(100000) .. "--b--",
        "note((kong.request.get_body(nil, nil, 0)))"))
    end)

    it("reads the boundary of a type with many spaces", function()
      -- Trying the end of the boundary at each space would take longer than clients wait.
      local type = [[("multipart/form-data; boundary=" .. (" "):rep(200000) .. "b")]]
      assert.same({ {}, nil, "multipart/form-data" },
        body("text/plain", "x", "note(kong.request.get_body(" .. type .. "))"))
    end)

    it("accepts types that begin like a supported type, and returns the supported one", function()
      local FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json",
                                    "multipart/form-data"
      assert.same({ { a = "1" }, nil, FORM }, body(FORM .. "2", "a=1"))
      assert.same({ { 1, 2 }, nil, JSON }, body("Application/JSON-patch+json", "[1,2]"))
      assert.same({ { 1, 2 }, nil, JSON }, body("application/json ; charset=utf-8", "[1,2]"))
      assert.same({ nil, "invalid json body", JSON }, body("application/json5", "{"))
      assert.same({ {}, nil, MULTIPART }, body("multipart/form-data2", "x"))
    end)

    it("looks at the limit only for forms", function()
      local code = "note(kong.request.get_body(nil, 'x'))"
      assert.same({ { 1 }, nil, "application/json" }, body("application/json", "[1]", code))
      assert.same({ nil, "unsupported content type 'text/plain'", "text/plain" },
        body("text/plain", "x", code))
    end)

    it("returns an error for other types", function()
      assert.same({ nil, "unsupported content type 'Text/Plain; x=y'", "text/plain" },
        body("Text/Plain; x=y", "x"))
      assert.same({ nil, "missing content type" }, seen { body = "x", access = CODE })
    end)

    it("uses its argument in place of the client's type", function()
      assert.same({ { a = 1 }, nil, "application/json" }, body("text/plain", '{"a":1}',
        "note(kong.request.get_body('application/json'))"))
    end)
  end)
end)
