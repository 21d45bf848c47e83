--- Finds code that takes compressed bytes for text, and bodies whose Content-Encoding is wrong.

local concat = table.concat
local find = string.find
local ipairs = ipairs
local lower = string.lower
local match = string.match
local sub = string.sub
local type = type


-- The first bytes of a body, by encoding.
local BEGINNINGS = {
  gzip = { "\31\139" },
  ["x-gzip"] = { "\31\139" },
  deflate = { "\120\1", "\120\94", "\120\156", "\120\218" },
  zstd = { "\40\181\47\253" },
}

local LEFT = "Content-Encoding: %s was left in place, and %s replaced the body"


-- Whether a body is in an encoding. For an encoding without fixed first bytes, a body is encoded if
-- it has control characters.
local function is_encoded(encoding, body)
  local beginnings = BEGINNINGS[match(lower(encoding), "^%s*(.-)%s*$")]
  if not beginnings then
    return find(body, "[%z\1-\8\14-\31]") ~= nil
  end
  for _, beginning in ipairs(beginnings) do
    if sub(body, 1, #beginning) == beginning then
      return true
    end
  end
  return false
end


-- Returns what a plugin has made of an encoded body: `read` if the bytes are still there, `encoded`
-- or `plain` if it has replaced them.
local function outcome_of(encoding, before, after)
  if before ~= "" and sub(after, 1, #before) == before then
    return "read"
  end
  return is_encoded(encoding, after) and "encoded" or "plain"
end


--- Adds the methods to the class `Strict` of `strict.lua`.
return function(Strict)
  --- Records that `kong.response.get_raw_body` reads an encoded body.
  function Strict:encoded_body_read(encoding)
    local reads = self.encoded_reads or {}
    self.encoded_reads = reads
    for i = 1, #reads do
      if reads[i].plugin == self.session.running then
        return
      end
    end
    reads[#reads + 1] = {
      plugin = self.session.running, encoding = encoding, place = self:place(), outcome = "read",
    }
  end


  --- Records that `set_raw_body` replaces the body. Returns whether a plugin has read it before.
  function Strict:encoded_body_set(body)
    local reads = self.encoded_reads or {}
    local before = self.session.host:get_arg(1)
    before = type(before) == "string" and before or ""
    for i = 1, #reads do
      local read = reads[i]
      -- nginx also calls the body filter for an empty chunk at the end. The first outcome counts.
      if read.plugin == self.session.running and (before ~= "" or not read.set_place) then
        read.outcome = outcome_of(read.encoding, before, body)
        read.set_place = self:place()
      end
    end
    return #reads > 0
  end


  --- Reports the encoded bodies that plugins have read, after the whole response.
  function Strict:check_encodings()
    local reads = self.encoded_reads or {}
    for i = 1, #reads do
      local read = reads[i]
      if read.outcome == "read" then
        self:mistake_at(read.place, "get_raw_body read a body with Content-Encoding: %s",
                        read.encoding)
      elseif read.outcome == "plain" then
        self:mistake_at(read.set_place, LEFT, read.encoding, "set_raw_body")
      end
    end
    local encoding = self.service_encoding
    if encoding then
      local sent = concat(self.session.chunks)
      local outcome = outcome_of(encoding, concat(self.session.upstream.chunks), sent)
      if sent == "" or outcome == "read" then
        self:mistake_at(self.service_body_read, "kong.service.response.get_raw_body read a body"
                        .. " with Content-Encoding: %s", encoding)
      elseif outcome == "plain" then
        self:mistake_at(self.service_body_read, LEFT, encoding,
                        "exit")
      end
    end
  end
end
