-- No message and no request id gets out of its place in an error document: libxml2 and cjson read
-- the documents, and find the same elements and fields whatever the text is.

local cjson = require "cjson"
local stages = require "spec.support.stages"
local wire = require "spec.support.wire"

local fmt = string.format


local BYTES = {}
for b = 0, 255 do
  BYTES[#BYTES + 1] = string.char(b)
end
BYTES = table.concat(BYTES)

-- Messages that a parser of the document returns unchanged.
local READABLE = {
  "plain",
  "",
  "<script>alert(1)</script>",
  "</p><script src=//evil></script><p>",
  "</message><admin>true</admin><message>",
  '","admin":true,"x":"',
  '"}{"message":"',
  "'\" onmouseover=alert(1) x='\"",
  "<!-- --><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
  "<![CDATA[ ]]> ]]&gt; <?php echo 1 ?>",
  "&lt;b&gt; &amp;amp; &#60;b&#62; &nbsp;",
  "</title></head><body><h1>",
  "%s %d %% %n $1 ${x} {{x}} %00",
  "\\\" \\u0022 \\",
  "a\nb\n\nc",
  "tab\there",
  "javascript:alert(1)",
  "\195\169 \226\130\172 \240\159\152\128",
  ("<p>"):rep(2000),
}

-- Messages with bytes that become U+FFFD, or another line end.
local ODD = {
  BYTES,
  "\0<b>",
  "a\r\nb\rc<b>",
  "\192\188script\192\190",  -- "<" and ">", too long
  "\224\128\188script>",
  "\237\160\128<b>\244\144\128\128",
  "\255\254<\0b\0>\0",
  "+ADw-script+AD4-",
  "<b\0>\8\11\12\27\127\194\133\226\128\168\239\191\190\239\191\191",
  "\226\130<b>",
}

-- Stands between the results of XPath expressions: a character that no text here has.
local BETWEEN = "\238\128\128"

local FILES = {
  ["html.template"] = [[<!doctype html>
<html><head><meta charset="utf-8"><title>Error</title><style>p { width: 50% }</style></head>
<body><p title="%s">text</p><p class='%s'>text</p></body></html>
]],
  ["xml.template"] = [[<error message="%s"><id>%s</id></error>
]],
  ["json.template"] = [[{"m":"%s","i":"%s","n":["%"]}
]],
}

local INIT = [[
  local instance = require "kong.response.instance"
  local function request_id()
    return ngx.ctx.id
  end
  own = instance.new { request_id = request_id }
  templated = instance.new {
    request_id = request_id,
    error_templates = {
      html = "%{dir}/html.template", xml = "%{dir}/xml.template", json = "%{dir}/json.template",
    },
  }
]]


describe("a text cannot break out", function()
  local server, client

  setup(function()
    server = stages.start { init = INIT, files = FILES }
    client = wire.connect(server)
  end)

  teardown(function()
    client:close()
    server:stop()
  end)

  local function ask(case)
    client:send("GET", server:target(case), case)
    local response, err = client:receive("GET")
    assert.is_nil(err)
    return response
  end

  --- Documents with each text in both places: { body, message, id, readable }.
  local function documents(instance, accept)
    local made = {}
    local function make(message, id, readable)
      local response = ask {
        headers = { "Accept: " .. accept },
        content = fmt("ngx.ctx.id = %q %s.error(400, %q)", id, instance, message),
      }
      assert.equal(400, response.status)
      assert.same({ accept .. "; charset=utf-8" }, wire.values(response, "content-type"))
      made[#made + 1] = { body = response.body, message = message, id = id, readable = readable }
    end
    for _, texts in ipairs { READABLE, ODD } do
      for _, text in ipairs(texts) do
        make(text, "id", texts == READABLE)
        make("message", text, texts == READABLE)
        make(text, text, texts == READABLE)
      end
    end
    return made
  end

  --- Gives each document `found`, what libxml2 reads by XPath expressions. Returns its complaints.
  local function read(made, options, ...)
    local command = { "cd", server.dir, "&& xmllint --nonet", options, "--xpath" }
    command[#command + 1] = fmt([["concat(%s, '%s')"]],
      table.concat({ ... }, ", '" .. BETWEEN .. "', "), BETWEEN)
    for i, document in ipairs(made) do
      local file = assert(io.open(fmt("%s/document.%d", server.dir, i), "wb"))
      file:write(document.body)
      file:close()
      command[#command + 1] = "document." .. i
    end
    local pipe = assert(io.popen(table.concat(command, " ") .. " 2> errors"))
    local items = pipe:read("*a"):gmatch("\n?(.-)" .. BETWEEN)
    pipe:close()
    for _, document in ipairs(made) do
      document.found = {}
      for i = 1, select("#", ...) do
        document.found[i] = items()
      end
    end
    assert.is_nil(items())
    local file = assert(io.open(server.dir .. "/errors"))
    local errors = file:read("*a")
    file:close()
    return errors
  end

  local OTHERS = "count(//comment() | //processing-instruction())"

  it("of a JSON document", function()
    for _, document in ipairs(documents("own", "application/json")) do
      local object = cjson.decode(document.body)
      local fields = {}
      for name in pairs(object) do
        fields[name] = true
      end
      assert.same({ message = true, request_id = true }, fields)
      if document.readable then
        assert.same({ message = document.message, request_id = document.id }, object)
      end
    end
  end)

  it("of an XML document", function()
    local made = documents("own", "application/xml")
    local errors = read(made, "", "count(//*)", "count(//@*)", OTHERS, "/error/message",
      "/error/requestid")
    assert.equal("", errors)
    for _, document in ipairs(made) do
      local found = document.found
      assert.same({ "3", "0", "0" }, { found[1], found[2], found[3] })
      if document.readable then
        assert.same({ document.message, document.id }, { found[4], found[5] })
      end
    end
  end)

  it("of an HTML document", function()
    local made = documents("own", "text/html")
    local errors = read(made, "--html", "count(//*)", "count(//@*)", OTHERS, "/html/body/p[1]",
      "/html/body/p[2]", "name(/html/body/*[1])", "count(/html/body/*)")
    assert.equal("", errors)
    for _, document in ipairs(made) do
      local found = document.found
      assert.same({ "8", "1", "0" }, { found[1], found[2], found[3] })
      assert.same({ "h1", "3" }, { found[6], found[7] })
      if document.readable then
        local expected = { document.message .. ".", "request_id: " .. document.id }
        assert.same(expected, { found[4], found[5] })
      end
    end
  end)

  it("of a JSON template", function()
    for _, document in ipairs(documents("templated", "application/json")) do
      local object = cjson.decode(document.body)
      assert.same({ "%" }, object.n)
      if document.readable then
        assert.same({ m = document.message, i = document.id, n = { "%" } }, object)
      end
    end
  end)

  it("of an XML template or its attributes", function()
    local made = documents("templated", "application/xml")
    local errors = read(made, "", "count(//*)", "count(//@*)", OTHERS, "/error/@message",
      "/error/id")
    assert.equal("", errors)
    for _, document in ipairs(made) do
      local found = document.found
      assert.same({ "2", "1", "0" }, { found[1], found[2], found[3] })
      -- a reader makes the white space of an attribute blanks
      if document.readable and not document.message:find("[\t\n]") then
        assert.same({ document.message, document.id }, { found[4], found[5] })
      end
    end
  end)

  it("of an HTML template or its attributes with either quote", function()
    local made = documents("templated", "text/html")
    local errors = read(made, "--html", "count(//*)", "count(//@*)", OTHERS,
      "/html/body/p[1]/@title", "/html/body/p[2]/@class", "/html/body/p[1]", "/html/body/p[2]")
    assert.equal("", errors)
    for _, document in ipairs(made) do
      local found = document.found
      assert.same({ "8", "3", "0" }, { found[1], found[2], found[3] })
      assert.same({ "text", "text" }, { found[6], found[7] })
      if document.readable then
        assert.same({ document.message, document.id }, { found[4], found[5] })
      end
    end
  end)

  it("of the JSON of a table", function()
    local made = {}
    for _, text in ipairs(READABLE) do
      local response = ask {
        content = fmt("local t = %q response.exit(400, { [t] = t, { t } })", text),
      }
      assert.same({ [text] = text, ["1"] = { text } }, cjson.decode(response.body))
      made[#made + 1] = ask {
        headers = { "Accept: text/html" },
        content = fmt("response.error(400, { %q })", text),
      }
    end
    assert.equal("", read(made, "--html", "count(//*)", "count(//@*)", OTHERS))
    for _, document in ipairs(made) do
      assert.same({ "8", "1", "0" }, document.found)
    end
  end)
end)
