--- The output of a server: the head, the chunks of the body, and nginx's own pages.

local concat = table.concat
local find = string.find
local fmt = string.format
local ipairs = ipairs
local rawget = rawget
local sub = string.sub


-- nginx stores the head and the body until they have this many bytes (`postpone_output`), or until
-- the end of the response or a flush.
local STORED_BYTES = 1460

-- The bytes of a status line and of the empty line, without the reason phrase.
local STATUS_LINE_BYTES = #"HTTP/1.1 200 \r\n\r\n"


local function is_chunked(headers)
  for _, header in ipairs(headers) do
    if header[1] == "Transfer-Encoding" then
      return true
    end
  end
  return false
end


-- Returns the number of bytes of a head that nginx stores. Over HTTP/2, a head is a frame of its
-- own.
local function size_of_head(headers, http_version)
  if http_version >= 2 then
    return 0
  end
  local size = STATUS_LINE_BYTES
  for _, header in ipairs(headers) do
    size = size + #header[1] + #header[2] + #": \r\n"
  end
  return size
end


--- Adds the methods to the class `Server` of `server.lua`.
return function(Server)
  --- Sends the headers, unless they were sent.
  -- @treturn boolean whether they were sent, and the body follows
  function Server:send_head()
    local host = self.host
    if host:headers_sent() then
      return true
    elseif self.closed or self.aborted then
      return false
    end

    local answer = host:answer_conditions()
    if answer == 412 then
      return self:refuse_precondition()
    end
    self.unmodified = answer == 304 or self.unmodified
    local before = self.exited or 0
    local ok = self:filter_head()
    -- nginx closes the connection if a header filter fails, and after `ngx.exit(ngx.ERROR)`.
    if not ok or self.exited == -1 then
      self.closed = true
      return false
    end
    if (self.exited or 0) == before then
      self.headers, self.body_allowed = host:finish_head()
      self.chunked = is_chunked(self.headers)
      self.status = host:get_status()
      self.stored = size_of_head(self.headers, self.request.http_version)
      if not self.body_allowed or self.stored >= STORED_BYTES then
        self:send_stored()
      end
      self:head_sent()
      return true
    end
    -- A header filter has exited, with another code than the earlier phase.
    return self:begin_again(self.exited)
  end


  --- Replaces `ngx.ctx`. Returns the old table.
  function Server:replace_ctx(ctx) -- luacheck: no unused args
    local ngx = rawget(_G, "ngx")
    if ngx then
      local before = ngx.ctx
      ngx.ctx = ctx
      return before
    end
  end


  --- nginx discards the body of the request, unless Lua code has read it.
  function Server:discard_request_body()
    local request = self.request
    request.body = request.body_read and request.body or ""
  end


  --- nginx answers 412 itself. It clears the contexts of its modules, and `ngx.ctx` with them.
  -- Newer versions of lua-nginx-module restore their context afterwards, except if a client of
  -- HTTP/1.0 gets Content-Length.
  function Server:refuse_precondition()
    local restores = self.restores_ctx and not self.tells_length
    self:discard_request_body()
    local ended, ctx = self.host:body_ended(), self:replace_ctx({})
    self:begin_again(412)
    if restores then
      self:replace_ctx(ctx)
      self.host:set_arg(2, ended)
    end
    return false
  end


  --- nginx starts the response again with its own page, and then closes the connection.
  function Server:begin_again(status)
    self.host:clean_head()
    self:send_page(status)
    self.aborted, self.restarted = true, true
    return false
  end


  --- Sends the stored output to the client.
  function Server:send_stored()
    self.received, self.stored = #self.chunks, 0
  end


  --- Passes a chunk of the body, which is an array of pieces, to the body filters.
  -- @tparam table pieces
  -- @tparam boolean last whether the body ends
  -- @tparam[opt] string flush `"always"` sends the output to the client; `"unchanged"` does so if
  --   the body filters do not change the chunk
  function Server:output(pieces, last, flush)
    if self.closed or self.broken then
      return
    elseif not self.body_allowed then
      if concat(pieces) ~= "" then
        self:body_refused()
      end
      self.complete = self.complete or last
      return
    end

    local host = self.host
    if host:body_ended() then
      -- nginx drops the chunk. Older versions of lua-nginx-module stay in the phase of the filter.
      if not self.leaves_filter then
        host:set_phase("body_filter")
      end
      return
    end
    host:set_chunk(pieces, last)
    if not self:filter_body(last) then
      return self:break_off()
    end
    local sent, ended = host:get_chunk()
    self:chunk_filtered(pieces, last, sent, ended)
    -- The client stops reading a chunked body at its first end.
    if sent ~= "" and not (self.complete and self.chunked) then
      self.chunks[#self.chunks + 1] = sent
      self.stored = self.stored + #sent + (self.chunked and #fmt("%x\r\n\r\n", #sent) or 0)
    end
    self.complete = self.complete or ended
    if ended or self.stored >= STORED_BYTES or flush == "always"
      or flush == "unchanged" and sent == concat(pieces)
    then
      self:send_stored()
    end
  end


  --- Sends the body of nginx's own page, which nginx has in two pieces.
  function Server:send_pages_body(page)
    local tail = find(page, "<hr>", 1, true)
    self:output(tail and { sub(page, 1, tail - 1), sub(page, tail) } or {}, true)
  end


  --- Answers with nginx's page for a status.
  function Server:send_page(status)
    local page = self.host:special_response(status)
    if self:send_head() then
      self:send_pages_body(page)
    end
  end


  --- `ngx.print`
  -- @treturn ?number 1, or nil
  -- @treturn ?string the error
  function Server:print(text)
    local host = self.host
    if self.eof then
      return nil, "seen eof"
    end
    if not host:headers_sent() and not self.buffered then
      local request = self.request
      host:start_output()
      self.tells_length = request.http_version < 1.1 and text ~= ""
        and host:get_header("Content-Length") == nil
      if self.tells_length and request.method ~= "HEAD" then
        self.buffered = {}
      elseif not self:send_head() then
        return nil, "nginx output filter error"
      elseif not self.body_allowed then
        if text ~= "" then
          self:body_refused()
          self:discard_request_body()
        end
        self.eof = true
        return 1
      end
    end
    if text == "" then
      return 1
    elseif self.buffered then
      self.buffered[#self.buffered + 1] = text
    else
      self:output({ text }, false)
      if self.broken then
        return nil, "nginx output filter error"
      end
    end
    return 1
  end


  --- Returns whether code has printed, so that nginx ends the response with the phase.
  function Server:has_printed()
    return self.host:headers_sent() or self.ends_output and self.buffered ~= nil
  end


  --- `ngx.flush`
  function Server:flush()
    if self.eof then
      return nil, "seen eof"
    elseif self.buffered then
      return nil, "buffering"
    elseif not self.host:headers_sent() then
      return nil, "nothing to flush"
    end
    self:output({}, false, "always")
    return 1
  end


  --- Ends the output of Lua code.
  function Server:finish()
    if self.eof then
      self.complete = self.complete or not self.body_allowed
      return
    end
    local host, buffered = self.host, self.buffered
    if not host:headers_sent() then
      local length = #concat(buffered or {})
      local is_old = self.request.http_version < 1.1
      self.tells_length = is_old and (buffered or not host:get_header("Content-Length"))
      host:start_output(self.tells_length and length or nil)
      if not self:send_head() then
        return
      end
      if not self.body_allowed and self.request.method ~= "HEAD" then
        -- nginx sends the stored output for HTTP/1.0 with any status.
        self.chunks = buffered or {}
      elseif buffered and #buffered > 0 then
        self:output(buffered, false)
      end
    end
    self.buffered = nil
    self:output({}, true)
    self.eof = true
  end
end
