-- Sets security headers on every response, and removes headers that tell too much about the server.
-- Headers that the upstream has set stay, unless `override` is true.
--
--     { plugin = require "examples.security-headers.plugin", config = {
--         override = false,
--         headers = { ["Content-Security-Policy"] = "default-src 'self'" },
--     } }

local SecurityHeaders = { PRIORITY = 100 }


local DEFAULTS = {
  ["X-Content-Type-Options"] = "nosniff",
  ["X-Frame-Options"] = "DENY",
  ["Referrer-Policy"] = "no-referrer",
}

local HSTS = "max-age=31536000; includeSubDomains"

local TELL_TOO_MUCH = { "Server", "X-Powered-By", "X-AspNet-Version" }


function SecurityHeaders:header_filter(config)
  local headers = {}
  for name, value in pairs(DEFAULTS) do
    headers[name] = value
  end
  if ngx.var.scheme == "https" then
    headers["Strict-Transport-Security"] = HSTS
  end
  for name, value in pairs(config.headers or {}) do
    headers[name] = value
  end

  if not config.override then
    for name in pairs(headers) do
      if kong.response.get_header(name) then
        headers[name] = nil
      end
    end
  end

  kong.response.set_headers(headers)
  for _, name in ipairs(TELL_TOO_MUCH) do
    kong.response.clear_header(name)
  end
end


return SecurityHeaders
