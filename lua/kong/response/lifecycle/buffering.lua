--- The response phase: reads the whole answer of the upstream before the client gets anything, so
-- that headers can depend on the body.
--
-- A subrequest asks the upstream. The user's configuration has an internal location for it.

local failures = require "kong.response.failures"
local handlers = require "kong.response.lifecycle.handlers"
local responses = require "kong.response.lifecycle.responses"

local BITS = require("kong.response.pdk.phases").BITS


local error = error
local lower = string.lower
local pairs = pairs
local pcall = pcall
local type = type


-- Headers of the connection to the upstream.
local NOT_COPIED = { ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true }

local WITHOUT_BODY = { [204] = true, [304] = true }

-- The headers that nginx checks before it sends a 200 of Lua code, and their variables.
local CONDITIONS = {
  ["If-Match"] = "http_if_match", ["If-None-Match"] = "http_if_none_match",
  ["If-Modified-Since"] = "http_if_modified_since",
  ["If-Unmodified-Since"] = "http_if_unmodified_since",
}


local function fetch(location, ctx)
  local method = ngx["HTTP_" .. ngx.req.get_method()]
  if not method then
    error("the response phase cannot forward the method " .. ngx.req.get_method(), 0)
  end
  ngx.req.read_body()
  return ngx.location.capture(location, {
    method = method, ctx = ctx, always_forward_body = true, share_all_vars = true,
  })
end


local _M = {}


--- Whether the life cycle can buffer the answer to this request. It cannot buffer a tunnel.
function _M.is_possible()
  local upgrade = ngx.var.http_upgrade
  if upgrade and upgrade ~= "" then
    ngx.log(ngx.NOTICE, "response buffering was turned off: connection upgrade (", upgrade, ")")
    return false
  end
  return true
end


--- Asks the upstream. The header filter of the subrequest sets `state.capture.failed`.
-- @tparam string|function location the location of the subrequest, or a function in its place
-- @treturn ?table the answer: `status`, `header`, `body`, `truncated`, and `failed`: whether the
--   upstream gave no answer
-- @treturn ?table the failure, if there is no answer
local function ask(location, ctx, state)
  local capture = {}
  state.capture = capture
  local ok, answer = pcall(type(location) == "function" and location or fetch, location, ctx)
  state.capture = nil
  if not ok then
    return nil, failures.new(answer)
  end
  answer.failed = capture.failed or answer.failed
  return answer
end


--- Stores whether the upstream gave no answer. The header filter of the subrequest calls it.
function _M.note_answer(capture)
  capture.failed = responses.upstream_answered() == false
end


local function copy_head(answer)
  ngx.status = answer.status
  for name, value in pairs(answer.header) do
    if not NOT_COPIED[lower(name)] then
      ngx.header[name] = value
    end
  end
end


-- Removes the conditions of the request, because the upstream has evaluated them. If nginx did it
-- again, the client could get a 412 for a change that the upstream has made. With `error_page 412`,
-- lua-nginx-module would crash.
local function hide_conditions(state)
  local hidden
  for name, variable in pairs(CONDITIONS) do
    if ngx.var[variable] then
      hidden = hidden or {}
      hidden[name] = ngx.req.get_headers(0)[name]
      ngx.req.clear_header(name)
    end
  end
  state.hidden_conditions = hidden
end


--- Restores the conditions of the request. nginx has checked them before it runs header filters.
function _M.restore_conditions(state)
  local hidden = state.hidden_conditions
  if hidden then
    state.hidden_conditions = nil
    for name, value in pairs(hidden) do
      ngx.req.set_header(name, value)
    end
  end
end


local function send(body, is_head, state)
  hide_conditions(state)
  if is_head or WITHOUT_BODY[ngx.status] then
    ngx.send_headers()
  else
    if ngx.header["Content-Length"] then
      ngx.header["Content-Length"] = #body
    end
    ngx.print(body)
  end
  _M.restore_conditions(state)
  return ngx.exit(ngx.HTTP_OK)
end


--- Answers a request: asks the upstream, runs the handlers of the response phase, and sends the
-- body.
-- @tparam table kong
-- @tparam table requests the functions of `kong.response.pdk.requests`
-- @tparam table ctx
-- @tparam table state see `contexts.current`
-- @tparam string|function location see `ask`
-- @tparam table list the entries of the response phase
function _M.answer(kong, requests, ctx, state, location, list)
  local is_head = ngx.req.get_method() == "HEAD"
  local answer, failure = ask(location, ctx, state)
  if not answer then
    return responses.send_unexpected(kong, ctx, failure, "the request to the upstream failed")
  end
  ctx.buffered_proxying = true
  ctx.buffered_status, ctx.buffered_headers = answer.status, answer.header
  ctx.buffered_body = answer.body

  if answer.failed or answer.truncated and not is_head then
    ctx.KONG_UNEXPECTED, ctx.KONG_PHASE = true, BITS.error
    return kong.response.error(answer.status >= 400 and answer.status or 502)
  end

  ctx.KONG_PROXIED, ctx.KONG_PHASE = true, BITS.response
  copy_head(answer)
  for i = 1, #list do
    local ok, err = handlers.call(requests, state, list[i], "response")
    if not ok then
      responses.clear_headers(ngx)
      return responses.send_unexpected(kong, ctx, err,
                                       failures.handler(err, list[i], "response"))
    end
  end
  return send(answer.body, is_head, state)
end


return _M
