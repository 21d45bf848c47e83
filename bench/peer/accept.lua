--- Chooses one of the four documents for an Accept header.

local find = string.find
local lower = string.lower
local match = string.match
local sub = string.sub
local tonumber = tonumber
local type = type
local concat = table.concat


local JSON, HTML, PLAIN, XML = 1, 2, 3, 4

-- Returns the documents that a range matches, and how specific the range is.
local RANGES = {
  ["application/json"] = { 3, JSON },
  ["text/html"] = { 3, HTML },
  ["text/plain"] = { 3, PLAIN },
  ["application/xml"] = { 3, XML },
  ["text/*"] = { 2, PLAIN, HTML },
  ["application/*"] = { 2, JSON, XML },
  ["*/*"] = { 1, JSON, PLAIN, HTML, XML },
}


--- Returns the q of the parameters after a range, or nil if they are malformed.
local function quality(parameters)
  local q = match(parameters, ";%s*[qQ]=([^;%s]*)")
  if not q then
    return 1
  end
  if match(q, "^[01]%.?%d?%d?%d?$") then
    q = tonumber(q)
    if q <= 1 then
      return q
    end
  end
end


--- @tparam string|table|nil accept the value of the header, or the values
-- @treturn number 1 JSON, 2 HTML, 3 plain text, 4 XML
return function(accept)
  if not accept then
    return JSON
  end
  if type(accept) == "table" then
    accept = concat(accept, ",")
  end

  -- For each document: its q, and how specific and where the range of this q is.
  local specific = { 0, 0, 0, 0 }
  local places = { 0, 0, 0, 0 }
  local qs = { 0, 0, 0, 0 }

  local start, place, length = 1, 0, #accept
  while start <= length do
    local comma = find(accept, ",", start, true) or length + 1
    local item = sub(accept, start, comma - 1)
    start = comma + 1

    local range, q = RANGES[item], 1
    if not range then
      local name, parameters = match(item, "^%s*([^%s;]+)%s*(.*)$")
      range = name and (RANGES[name] or RANGES[lower(name)])
      if range and parameters ~= "" then
        q = quality(parameters)
      end
    end
    if range then
      if q then
        local precision = range[1]
        for i = 2, #range do
          local document = range[i]
          place = place + 1
          local before = specific[document]
          if precision > before or (precision == before and q > qs[document]) then
            specific[document], qs[document], places[document] = precision, q, place
          end
        end
      end
    end
  end

  local best, best_q, best_place = JSON, 0, 0
  for document = 1, 4 do
    local q = qs[document]
    if q > best_q or (q == best_q and q > 0 and places[document] < best_place) then
      best, best_q, best_place = document, q, places[document]
    end
  end
  return best
end
