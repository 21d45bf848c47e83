-- A 200 that code has printed, for a request whose If-Match or If-Unmodified-Since fails. (nginx
-- forgets `ngx.ctx` then, so the code tells by the log what `ngx.print` has returned.)

local hosts = require "spec.support.hosts"


local MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
local EARLIER = "Tue, 20 Oct 2015 07:28:00 GMT"

local CONTENT = [[
  ngx.header["ETag"] = '"v"'
  ngx.header["Last-Modified"] = "%s"
  local ok, err = ngx.%s("the body")
  ngx.log(ngx.NOTICE, "printed: ", tostring(ok), ", ", tostring(err), ".")
]]


hosts.each("a printed response", { gateway = true }, function(server)
  for _, print in ipairs { "print", "say" } do
    for header, status in pairs {
      ['If-Match: "v"'] = 200,
      ['If-Match: "other"'] = 412,
      ["If-Unmodified-Since: " .. MODIFIED] = 200,
      ["If-Unmodified-Since: " .. EARLIER] = 412,
    } do
      it(("by ngx.%s answers %q with %d"):format(print, header, status), function()
        server:clear_log()
        local r = server:run {
          content = CONTENT:format(MODIFIED, print), headers = { header },
        }
        assert.equal(status, r.status)
        if status == 412 then
          assert.matches("412 Precondition Failed", r.body, 1, true)
          assert.is_truthy(server:wait_log("printed: nil, nginx output filter error%."))
        else
          assert.matches("^the body", r.body)
          assert.is_truthy(server:wait_log("printed: 1, nil%."))
        end
      end)
    end
  end
end)
