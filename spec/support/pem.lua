--- Keys and certificates for servers that speak TLS.

local _M = {}


--- Returns a key and a certificate for it, in PEM.
function _M.make()
  local path = os.tmpname()
  local status = os.execute("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    .. " -days 2 -subj /CN=localhost -keyout " .. path .. " -out " .. path .. ".crt 2> " .. path
    .. ".err")
  assert(status == 0 or status == true, "openssl made no certificate")
  local text = ""
  for _, name in ipairs { path, path .. ".crt" } do
    local file = assert(io.open(name, "rb"))
    text = text .. file:read("*a")
    file:close()
    os.remove(name)
  end
  os.remove(path .. ".err")
  return text
end


return _M
