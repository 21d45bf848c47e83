local nginx = require "spec.support.nginx"


-- The output of examples/openresty.
describe("examples/openresty", function()
  local answers, access_log, error_log

  setup(function()
    local pipe = io.popen(nginx.root .. "/examples/openresty/run.sh 2>&1; echo \"exit $?\"")
    local output = pipe:read("*a")
    pipe:close()
    assert.equal("exit 0", output:match("exit %d+\n?$"):gsub("\n", ""), output)

    -- a title, the command, and what came, indented
    local texts, title, last = {}, nil, nil
    for line in output:gmatch("([^\n]*)\n") do
      if line:find("^%$ curl ") then
        title = last:match("^[^:]*")
        texts[title] = {}
      elseif title and line:find("^  ") then
        table.insert(texts[title], line:sub(3))
      end
      last = line
    end

    answers = {}
    for name, lines in pairs(texts) do
      local head, body = table.concat(lines, "\n"):match("^(.-)\n\n(.*)$")
      local answer = { status = tonumber(head:match("^HTTP/1.1 (%d+)")), body = body, headers = {} }
      for header, value in head:gmatch("\n([^:\n]+): ([^\n]*)") do
        answer.headers[header:lower()] = value
      end
      answers[name] = answer
    end
    access_log = output:match("The access log:[^\n]*\n(.-)\n\n")
    error_log = output:match("The error log\n(.*)")
  end)

  it("exits early", function()
    local answer = answers["No key"]
    assert.equal(401, answer.status)
    assert.equal("Key", answer.headers["www-authenticate"])
    assert.equal("application/json; charset=utf-8", answer.headers["content-type"])
    assert.equal("exit", answer.headers["x-source"])
    assert.equal('{"message":"No API key found in request"}', answer.body)
  end)

  it("exits with the page of error_page in the client's format", function()
    local answer = answers["Unknown key"]
    assert.equal(403, answer.status)
    assert.equal("text/plain; charset=utf-8", answer.headers["content-type"])
    assert.equal("exit", answer.headers["x-source"])
    assert.matches("^Forbidden\nrequest_id: %x+$", answer.body)
  end)

  it("answers in the client's format if nginx cannot read the request", function()
    local answer = answers["nginx cannot read the request"]
    assert.equal(400, answer.status)
    assert.equal("application/json; charset=utf-8", answer.headers["content-type"])
    assert.equal("error", answer.headers["x-source"])
    assert.matches('"message":"Bad request"', answer.body, 1, true)
  end)

  it("transforms a proxied body", function()
    assert.equal("PHP/5.3", answers["Before"].headers["x-powered-by"])
    local answer = answers["Proxied"]
    assert.equal(200, answer.status)
    assert.is_nil(answer.headers["x-powered-by"])
    assert.is_nil(answer.headers["x-internal-host"])
    assert.equal("alice", answer.headers["x-consumer"])
    assert.equal("service", answer.headers["x-source"])
    assert.equal('{"name":"espresso","price":2.5}', answer.body)
  end)

  it("sends an error in the client's format", function()
    local answer = answers["Too much"]
    assert.equal(429, answer.status)
    assert.equal("application/xml; charset=utf-8", answer.headers["content-type"])
    assert.equal("exit", answer.headers["x-source"])
    assert.matches("<message>101 are too many for alice</message>", answer.body, 1, true)
  end)

  it("sends a page if the upstream fails", function()
    local answer = answers["The upstream times out"]
    assert.equal(504, answer.status)
    assert.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.equal("error", answer.headers["x-source"])
    assert.equal("alice", answer.headers["x-consumer"])
    assert.matches("<p>The upstream server is timing out.</p>", answer.body, 1, true)
    assert.matches("upstream timed out", error_log, 1, true)
  end)

  it("sends a page if a plugin fails", function()
    local answer = answers["A plugin fails"]
    assert.equal(500, answer.status)
    assert.equal("application/json; charset=utf-8", answer.headers["content-type"])
    assert.equal("error", answer.headers["x-source"])
    assert.matches('"message":"An unexpected error occurred"', answer.body, 1, true)
    assert.matches('quota.lua:%d+: attempt to compare [^\n]*handler of plugin "quota" failed, ',
                   error_log)
  end)

  it("logs where each response came from, under the id of its page", function()
    local lines, id = {}, nil
    for status, source, request_id, request in
      access_log:gmatch("(%d+) (%a+) (%x+) ([^\n]+)")
    do
      lines[#lines + 1] = status .. " " .. source .. " " .. request
      if status == "504" then
        id = request_id
      end
    end
    assert.same({
      "200 service GET /coffee HTTP/1.1",
      "401 exit GET /coffee HTTP/1.1",
      "403 exit GET /coffee HTTP/1.1",
      "429 exit GET /coffee HTTP/1.1",
      "504 error GET /slow HTTP/1.1",
      "400 error GET /%00 HTTP/1.1",
      "500 error GET /coffee HTTP/1.1",
    }, lines)
    local page = answers["The upstream times out"].body
    assert.equal(id, page:match("request_id: (%x+)"))
  end)
end)
