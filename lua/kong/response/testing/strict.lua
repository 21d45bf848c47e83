--- Finds mistakes of plugins that nginx and gateways accept silently.

local add_encoding_checks = require "kong.response.testing.strict_encoding"
local add_exit_check = require "kong.response.testing.strict_exit"
local fields = require "kong.response.testing.fields"


local concat = table.concat
local error = error
local find = string.find
local fmt = string.format
local lower = string.lower
local pairs = pairs
local setmetatable = setmetatable
local stray_key = fields.stray_key
local tonumber = tonumber
local tostring = tostring
local type = type


local Strict = {}
Strict.__index = Strict

add_encoding_checks(Strict)
add_exit_check(Strict)


--- Adds a mistake, unless it was added before.
function Strict:mistake(text, ...)
  return self:mistake_at("", text, ...)
end


--- Adds a mistake with its place. It adds a text only once, with the first place.
function Strict:mistake_at(place, text, ...)
  text = fmt(text, ...)
  if not self.noted[text] then
    self.noted[text] = true
    self.mistakes[#self.mistakes + 1] = text .. place
  end
end


--- Returns the place of the running plugin, for the end of a message.
function Strict:place()
  local place = self.session:place()
  return place ~= "" and "," .. place or ""
end


--- Reports a failed handler, if the client does not get a 500 for it: in log, in init_worker, and
-- after the headers were sent.
function Strict:failed(text)
  local session = self.session
  if session.phase == "log" or session.phase == "init_worker" or session.host:headers_sent() then
    local name = session.running and session.running.name
    self:mistake("%s%s failed: %s", session.phase, name and fmt(" of %q", name) or "", text)
  end
end


function Strict:timer_failed(text)
  self:mistake("a timer failed: %s", text)
end


function Strict:called_with_colon(path, name)
  self:mistake_at(self:place(), "%s.%s was called with a colon", path, name)
end


--- Records where code sets `ngx.arg[1]` or `ngx.arg[2]`.
function Strict:arg_set(index)
  self.arg_places[index] = self:place()
end


local function listed(host, name)
  local value = host:get_header(name)
  if type(value) == "table" then
    value = value[1]
  end
  return value and tostring(value)
end


local function is_encoded(encoding)
  return lower(encoding) ~= "identity"
end


--- Reports that code has read an unknown variable.
function Strict:unknown_variable(name, suggestion)
  self:mistake_at(self:place(), "nginx has no variable ngx.var.%s%s", name, suggestion)
end


--- Records where code reads the upstream's body. If it decodes the body, it also removes
-- Content-Encoding, before or afterwards. So `after_head` checks this.
function Strict:read_service_body()
  self.service_body_read = self:place()
end


--- Is called before the header filter.
function Strict:before_head()
  self.length_before = listed(self.session.host, "Content-Length")
end


-- Reports a status and a Content-Type that the upstream's answer has replaced.
local function check_replaced(self)
  local upstream = self.session.upstream
  if self.early_status then
    self:mistake_at(self.early_status, "set_status before the upstream's answer, whose status"
                    .. " replaces it")
  end
  if self.early_type and fields.find(upstream.headers, "content-type") then
    self:mistake_at(self.early_type, "Content-Type was set before the upstream's answer, whose"
                    .. " Content-Type replaces it")
  end
end


--- Is called after the headers were sent.
function Strict:after_head()
  if self.session.answered then
    check_replaced(self)
  end
  for i = 1, #self.session.headers do
    local header = self.session.headers[i]
    local name = lower(header[1])
    if name == "content-length" then
      self.length = header[2]
    elseif name == "content-encoding" and self.service_body_read and is_encoded(header[2]) then
      self.service_encoding = header[2]
    end
  end
  local replaced = self.session.ngx.ctx.response_body
  if not self.session.body_allowed and replaced and replaced ~= ""
    or self.exit_body and not listed(self.session.host, "grpc-message")
  then
    self:body_without_right()
  end
end


local function has_no_body(status)
  return status == 204 or status == 304
end


--- Reports a body for a status that allows none.
function Strict:body_without_right()
  local status = self.session.status
  if has_no_body(status) then
    local place = self.exit_body or self.status_place or self:place()
    self:mistake_at(place, "a body with status %d: nginx does not send it", status)
  end
end


--- Is called after the body filters have run on a chunk.
-- @tparam table pieces the pieces of the chunk before the filters
-- @tparam boolean is_last whether it was the last chunk before the filters
-- @tparam string sent the chunk after the filters
-- @tparam boolean ended whether it is the last chunk after the filters
function Strict:after_chunk(pieces, is_last, sent, ended)
  local host, status = self.session.host, self.session.status
  -- An unchanged chunk is the upstream's, not the plugin's mistake.
  if has_no_body(status) and sent ~= "" and sent ~= concat(pieces) then
    self:mistake_at(self.arg_places[1] or "",
                    "a body with status %d: the client reads it as the next response", status)
  end
  if ended then
    return
  elseif host:body_ended() then
    self:mistake_at(self.arg_places[2] or "",
                    "ngx.arg[2] was set after ngx.arg[1] was cleared: the end of the body is lost")
  elseif is_last then
    self:mistake_at(self.arg_places[2] or "",
                    "ngx.arg[2] was cleared: the end of the body is lost")
  end
end


--- Reports that code has set something after the headers were sent.
function Strict:late(what)
  self:mistake_at(self:place(), "%s was set after the headers were sent: nginx ignores it", what)
end


--- Checks the value of a header. The setters ignore keys that an array cannot have.
function Strict:check_value(call, name, value)
  if type(value) ~= "table" or type(name) ~= "string" then
    return
  end
  local key = stray_key(value)
  if key then
    local outcome = value[1] ~= nil and "" or find(call, "add_header$") and ", and added nothing"
                    or ", and removed the header"
    self:mistake_at(self:place(), "%s ignored the key %s of the value of %q%s", call, key, name,
                    outcome)
  end
end


function Strict:check_values(call, headers)
  if type(headers) == "table" then
    for name, value in pairs(headers) do
      self:check_value(call, name, value)
    end
  end
end


-- Checks before the functions that read or replace the body.
local BODY_CHECKS = {}


function BODY_CHECKS.get_raw_body(self)
  local encoding = listed(self.session.host, "Content-Encoding")
  if encoding and is_encoded(encoding) then
    self:encoded_body_read(encoding)
  end
end


function BODY_CHECKS.set_raw_body(self, body)
  local host = self.session.host
  if type(body) ~= "string" or host:get_phase() ~= "body_filter" then
    return -- the call raises an error
  end
  self.body_set = self:place()
  if body ~= "" then
    self:body_without_right()
  end
  local mistake = not self:encoded_body_set(body) and host:relabelling(body)
  if mistake then
    self:mistake_at(self:place(), "%s", mistake)
  end
end


-- The phases before the upstream's answer, whose status and Content-Type replace those of plugins.
local BEFORE_UPSTREAM = { rewrite = true, access = true }

-- Checks before the functions that change the head.
local HEAD_CHECKS = {}


local function is_early(self)
  local phase = self.session.phase
  return BEFORE_UPSTREAM[phase] and self.session.host:get_phase() == phase
end


function HEAD_CHECKS.set_status(self, status)
  self.status_place = has_no_body(status) and self:place() or nil
  if type(status) == "number" and is_early(self) then
    self.early_status = self:place()
  end
end


local function note_early_type(self, name)
  if type(name) == "string" and find(lower(name), "^content[-_]type$") and is_early(self) then
    self.early_type = self:place()
  end
end


function HEAD_CHECKS.set_header(self, name, value)
  self:check_value("set_header", name, value)
  note_early_type(self, name)
end


function HEAD_CHECKS.add_header(self, name, value)
  self:check_value("add_header", name, value)
end


function HEAD_CHECKS.set_headers(self, headers)
  self:check_values("set_headers", headers)
  for name in pairs(type(headers) == "table" and headers or {}) do
    note_early_type(self, name)
  end
end


function HEAD_CHECKS.clear_header()
end


function HEAD_CHECKS.exit(self, status, body, headers)
  -- nginx does not send this body, so `after_chunk` cannot find it.
  self.exit_body = has_no_body(status) and body ~= nil and body ~= "" and self:place() or nil
  self:check_values("exit", headers)
end


function HEAD_CHECKS.error(self, _, _, headers)
  self:check_values("error", headers)
end


--- Is called before a function of `kong.service.request` that sets headers, with its arguments.
function Strict:before_service_call(name, ...)
  local call = "kong.service.request." .. name
  if name == "set_headers" then
    self:check_values(call, ...)
  else
    self:check_value(call, ...)
  end
end


--- Is called before a function of `kong.response`, with its arguments.
function Strict:before_call(name, ...)
  local check = HEAD_CHECKS[name]
  if not check then
    check = BODY_CHECKS[name]
  elseif self.session.host:headers_sent() then
    self:mistake_at(self:place(), "%s was called after the headers were sent", name)
  end
  if check then
    check(self, ...)
  end
end


--- Raises an error with the mistakes, if there are any.
function Strict:finish(result)
  local length = self.length
  if self.body_set and length then
    local sent = #concat(self.session.chunks)
    -- If the plugin has not changed Content-Length, it is right only by chance: another body has
    -- another length.
    if tonumber(length) ~= sent or length == self.length_before then
      self:mistake_at(self.body_set,
        "Content-Length: %s was left in place, and set_raw_body made the body %d bytes", length,
        sent)
    end
  end

  self:check_encodings()

  if #self.mistakes > 0 then
    error(fmt("strict mode found:\n  %s\n\n%s", concat(self.mistakes, "\n  "), result:describe()),
          0)
  end
end


local _M = {}


--- Makes the checks for a session.
function _M.new(session)
  return setmetatable({ session = session, mistakes = {}, noted = {}, arg_places = {} }, Strict)
end


return _M
