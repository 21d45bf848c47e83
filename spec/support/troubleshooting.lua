--- Compares docs/troubleshooting.md with the messages that specs provoke.

local assert = require "luassert"
local busted = require "busted"
local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"


local DOCUMENT = "docs/troubleshooting.md"

local _M = {}


--- Returns the log of a server whose plugin is called by hand, with the library in `kong` or
-- without it.
function _M.by_hand(init, code, filter)
  local text
  nginx.once({
    init = init,
    locations = "location / { content_by_lua_block { " .. code .. " } " .. (filter or "") .. " }",
  }, function(server)
    server:get("/")
    text = server:log()
  end)
  return text
end


--- Adds a case for each message of some chapters: the function of that message in `provoked`
-- returns a text with the message. `provoked` has no other messages.
-- @tparam table provoked
-- @tparam[opt] string from the heading of the first chapter
-- @tparam[opt] string to the heading after the last chapter
function _M.compare(provoked, from, to)
  local entries = documents.messages(documents.text(DOCUMENT), from, to)

  for message in pairs(entries) do
    busted.it("has the message: " .. message, function()
      local provoke = assert(provoked[message], "not provoked: " .. message)
      assert.matches(documents.pattern_of(message), provoke())
    end)
  end

  busted.it("has all messages of this spec", function()
    for message in pairs(provoked) do
      assert.is_true(entries[message], message)
    end
  end)
end


return _M
