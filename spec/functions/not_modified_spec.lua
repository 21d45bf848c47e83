local bodiless = require "spec.support.bodiless"
local hosts = require "spec.support.hosts"


local BODIES = {
  ["no body"] = "nil",
  ["an empty string"] = "''",
  ["a string"] = "'x'",
  ["an empty table"] = "{}",
}

-- The headers that a 304 must have (RFC 9110 section 15.4.5), and others that a plugin may add.
local HEADERS = {
  ["ETag"] = '"v"',
  ["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT",
  ["Cache-Control"] = "max-age=60",
  ["Expires"] = "Thu, 01 Dec 2050 16:00:00 GMT",
  ["Vary"] = "Accept",
  ["Content-Location"] = "/x",
  ["X-A"] = "1",
}


local function source(headers)
  local items = {}
  for name, value in pairs(headers) do
    items[#items + 1] = ("[%q] = %q"):format(name, value)
  end
  return "{ " .. table.concat(items, ", ") .. " }"
end


hosts.each("exit(304)", { gateway = true }, function(server)
  for place in pairs(bodiless.PLACES) do
    for what, body in pairs(BODIES) do
      it("keeps the call's headers, with " .. what .. " in " .. place, function()
        local case = bodiless.exit(place, "304, " .. body .. ", " .. source(HEADERS))
        bodiless.each_client(server, case, 304, HEADERS)
      end)

      it("sends no Content-Length of the call, with " .. what .. " in " .. place, function()
        local headers = "{ ['Content-Length'] = 5, ETag = '\"v\"' }"
        local case = bodiless.exit(place, "304, " .. body .. ", " .. headers)
        bodiless.each_client(server, case, 304, { ETag = '"v"' })
      end)
    end

    it("keeps validators that a plugin has set before, in " .. place, function()
      local case = bodiless.exit(place, "304",
        "ngx.header.ETag = 'W/\"old\"' ngx.header['Cache-Control'] = 'no-cache' ")
      bodiless.each_client(server, case, 304, {
        ETag = 'W/"old"', ["Cache-Control"] = "no-cache",
      })
    end)
  end
end)
