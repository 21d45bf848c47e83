--- Checks of host names, paths, URLs and PEM. A check returns true, or false and a message.

local addresses = require "kong.response.pdk.ip"


local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local match = string.match
local tonumber = tonumber


local _M = {}


local function is_host_name(value)
  if #value > 253 or value == "" then
    return false
  end
  for label in gmatch(value .. ".", "([^.]*)%.") do
    if not find(label, "^[%w_][%w_-]*$") or find(label, "%-$") or #label > 63 then
      return false
    end
  end
  return true
end


local function check_host(value)
  local host, port = match(value, "^(.*[^:]):(%d+)$")
  if host and not find(host, ":", 1, true) or find(value, "^%[.*%]:%d+$") then
    return false, "must not have a port", port
  elseif not is_host_name((gsub(value, "%.$", ""))) and not addresses.is_address(value) then
    return false, "invalid value: " .. value
  end
  return true
end


--- Checks a host name or an address without a port.
function _M.check_host(value)
  local ok, err = check_host(value)
  return ok, err
end


--- Checks a server name for TLS, which cannot be an address.
function _M.check_sni(value)
  if addresses.is_address(value) then
    return false, "must not be an IP"
  end
  return _M.check_host((gsub(value, "^%*%.", "")))
end


--- Checks a host name whose first or last label may be `*`.
function _M.check_wildcard_host(value)
  local name = gsub(gsub(value, "^%*%.", "any."), "%.%*$", ".any")
  if find(name, "*", 1, true) then
    return false, "invalid wildcard: must be placed at leftmost or rightmost label"
  end
  return _M.check_host_and_port(name)
end


--- Checks a host name or an address with an optional port.
function _M.check_host_and_port(value)
  local host, port = match(value, "^(.*):(%d+)$")
  if host and (not find(host, ":", 1, true) or find(host, "^%[.*%]$")) then
    if tonumber(port) > 65535 then
      return false, "invalid port number"
    end
    return _M.check_host(host)
  end
  return _M.check_host(value)
end


--- Checks a path of a URL (RFC 3986).
function _M.check_path(value)
  if not find(value, "^[%w%-._~:/?#%[%]@!$&'()*+,;=%%]*$") then
    return false, fmt("invalid path: '%s' (characters outside of the reserved list of RFC 3986 "
      .. "found)", value)
  end
  for escape in gmatch(value, "%%.?.?") do
    if not find(escape, "^%%%x%x$") then
      return false, fmt("invalid url-encoded value: '%s'", escape)
    end
  end
  return true
end


--- Checks that a URL has a scheme and a host.
function _M.check_url(value)
  local scheme, rest = match(value, "^(%a[%w+.-]*):(.*)$")
  local authority = match(rest or value, "^//([^/?#]*)")
  local host = authority and gsub(gsub(authority, "^.*@", ""), ":%d*$", "")
  if not host or host == "" then
    return false, "missing host in url"
  elseif not scheme then
    return false, "missing scheme in url"
  end
  return true
end


--- Makes a check for text in the form of PEM. It does not check the content.
-- @tparam string label the end of the label in `-----BEGIN …-----`
-- @tparam string name the name in the message
function _M.check_pem(label, name)
  return function(value)
    return find(value, "-----BEGIN [%u ]*" .. label .. "-----") ~= nil,
           fmt("invalid %s: not in the form of PEM", name)
  end
end


return _M
