--- The output of examples/demo: on a terminal, without colours, and in a file.

local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"


local ESCAPE = "\27["


local function run(command)
  local pipe = io.popen(command .. " 2>&1; printf 'exit %d' $?")
  local output = pipe:read("*a")
  pipe:close()
  local text, exit = output:gsub("\r", ""):match("^(.*)exit (%d+)$")
  assert.equal("0", exit, output)
  return text
end


describe("examples/demo", function()
  local demo = nginx.root .. "/examples/demo/run.sh"
  -- script, of Debian's bsdutils, gives it a terminal
  local on_terminal = "script -qec '" .. demo .. "' /dev/null < /dev/null"

  it("prints colours and its progress on a terminal", function()
    local text = run("env -u NO_COLOR TERM=xterm " .. on_terminal)
    assert.matches("\27[1m\27[32mHTTP/1.1 200 OK\27[0m", text, 1, true)
    assert.matches("\27[1m\27[33mHTTP/1.1 401 Unauthorized\27[0m", text, 1, true)
    assert.matches("[5/5] ", text, 1, true)
  end)

  it("prints no colours with NO_COLOR or on a dumb terminal", function()
    for _, wish in ipairs { "NO_COLOR=1 TERM=xterm ", "env -u NO_COLOR TERM=dumb " } do
      local text = run(wish .. on_terminal)
      assert.is_nil(text:find(ESCAPE, 1, true), text)
      assert.matches("\n[3/5] No key: exit(401, table, headers)\n", text, 1, true)
      assert.matches("\n  HTTP/1.1 401 Unauthorized\n", text, 1, true)
    end
  end)

  it("prints plain text to a file", function()
    local text = run("env -u NO_COLOR TERM=xterm " .. demo)
    assert.is_nil(text:find(ESCAPE, 1, true), text)
    assert.matches("\n\nNo key: exit(401, table, headers)\n$ curl ", text, 1, true)
    assert.matches("\n  Server: ", text, 1, true)
  end)

  it("prints the lines that README shows, in this order", function()
    local text, position = "\n" .. run("env -u NO_COLOR TERM=xterm " .. demo), 1
    local count = 0
    for line in documents.find(documents.read("README.md"), "^Before: "):gmatch("[^\n]+") do
      local _, stop = text:find("\n" .. line .. "\n", position, true)
      assert.is_number(stop, line)
      position, count = stop, count + 1
    end
    assert.equal(9, count)
  end)
end)
